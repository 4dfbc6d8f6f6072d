import asyncio
import secrets
from dataclasses import replace

import pytest
from knox.crypto import hash_token

from gateway.limits.rules import Limit
from tests.gateway.client import (
    CHAT,
    CHAT_BODY,
    TOKEN,
    a_grant,
    a_route,
    a_table,
    fetch,
    until,
)

OTHER = "token-of-somebody-else"
STREAM = {**CHAT_BODY, "stream": True}


@pytest.fixture
def queued(loader, engine):
    def limit(max_in_flight=1, queue_length=9, queue_wait_s=60.0, **other):
        model = Limit(
            key=secrets.token_hex(4), subject="model", max_in_flight=max_in_flight,
            tokens_per_day=1000,
            queue_length=queue_length, queue_wait_s=queue_wait_s,
        )  # fmt: skip
        grants = {hash_token(TOKEN): a_grant(), hash_token(OTHER): a_grant(**other)}
        route = a_route("smol", engine.replica, limits=(model,))
        loader.table = a_table(route, grants=grants)

    return limit


def send(gateway, body=CHAT_BODY, token=TOKEN):
    return asyncio.create_task(fetch(gateway, "POST", CHAT, body, token=token))


async def a_queue(gateway, length):
    await until(lambda: 7 in gateway.limits.queues)
    await until(lambda: len(gateway.limits.queues[7]) == length)


async def test_requests_wait_for_a_place_and_all_are_served(gateway, engine, queued):
    queued(max_in_flight=2)
    engine.script.delay_s = 0.02
    answers = await asyncio.gather(*(send(gateway) for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert engine.most_in_flight == 2
    counted = gateway.usage.counts[7]
    assert counted.request_seconds_queued > 0
    assert "queue_time" in counted.durations
    assert not gateway.limits.shared.local.held


async def test_full_queue_is_429(gateway, engine, queued):
    queued(queue_length=2)
    engine.script.delay_s = 60
    tasks = [send(gateway) for _ in range(3)]
    await a_queue(gateway, 2)
    refused = await send(gateway)
    assert (refused.status, refused.json["error"]["code"]) == (429, "queue_full")
    assert refused.headers["x-ratelimit-remaining-tokens"] == "1000"
    assert refused.headers["retry-after"] == "1"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not gateway.limits.shared.local.held
    engine.script.delay_s = 0
    assert (await send(gateway)).status == 200


async def test_wait_that_is_too_long_is_429(gateway, engine, queued):
    queued(queue_wait_s=0.2)
    engine.script.delay_s = 60
    first = send(gateway)
    await until(lambda: engine.in_flight == 1)
    refused = await send(gateway)
    assert (refused.status, refused.json["error"]["code"]) == (429, "queue_timeout")
    assert refused.headers["x-ratelimit-remaining-tokens"] == "1000"
    assert gateway.usage.counts[7].queue_rejected == 1
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_client_that_leaves_gives_up_its_turn(gateway, engine, queued):
    queued()
    engine.script.delay_s = 60
    first = send(gateway)
    await until(lambda: engine.in_flight == 1)
    waiting = send(gateway)
    await a_queue(gateway, 1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert len(gateway.limits.queues[7]) == 0
    engine.script.delay_s = 0
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await send(gateway)).status == 200
    assert len(engine.requests) == 2


async def test_higher_priority_is_served_first(gateway, engine, queued):
    queued(priority=9)
    engine.script.delay_s = 60
    first = send(gateway)
    await until(lambda: engine.in_flight == 1)
    engine.script.delay_s = 0.02
    low = [send(gateway) for _ in range(3)]
    await a_queue(gateway, 3)
    high = send(gateway, token=OTHER)
    await a_queue(gateway, 4)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await high
    assert sum(task.done() for task in low) == 0
    await asyncio.gather(*low)


async def test_waiting_stream_gets_comments_and_then_its_events(
    gateway, engine, queued
):
    gateway.limits.keep_alive_s = 0.05
    queued()
    engine.script.delay_s = 60
    first = send(gateway)
    await until(lambda: engine.in_flight == 1)
    waiting = send(gateway, STREAM)
    await a_queue(gateway, 1)
    await asyncio.sleep(0.3)
    engine.script.delay_s = 0
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    answer = await waiting
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content.startswith(b": waiting\n\n")
    assert answer.events[-1] == "[DONE]"


async def test_other_replica_takes_over_a_stream_that_has_waited(
    gateway, loader, engine, other_engine, queued
):
    gateway.limits.keep_alive_s = 0.05
    queued()
    (route,) = loader.table.by_id.values()
    grants, both = loader.table.grants, (engine.replica, other_engine.replica)
    loader.table = a_table(replace(route, replicas=both), grants=grants)
    for each in (engine, other_engine):
        each.script.delay_s = 60
    first = send(gateway)
    await until(lambda: engine.in_flight + other_engine.in_flight == 1)
    waiting = send(gateway, STREAM)
    await a_queue(gateway, 1)
    await asyncio.sleep(0.3)
    for each in (engine, other_engine):
        each.script.delay_s = 0
    failing = engine if engine.in_flight else other_engine  # of the same prompt
    failing.script.fails = "at once"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    answer = await waiting
    assert answer.content.startswith(b": waiting\n\n")
    assert answer.events[-1] == "[DONE]"
