import asyncio
import logging
import time

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from redis.asyncio import Redis

from gateway.usage.reporter import Recording
from monitoring.history.recorder import Recorder
from monitoring.live import traffic
from monitoring.models import Bucket10s
from tests.gateway.client import ASK, GENERATE, a_route, ask, until
from tests.gateway.routes.test_cache import NOBODY
from tests.monitoring.history.rows import bucket_of, stored

QUICK_S = 0.02


@pytest.fixture
async def recorded(gateway, transactional_db):
    """Starts recording of the gateway; all is closed in the end."""
    begun = []

    def start(broker_url=settings.REDIS_URL, step_s=QUICK_S):
        recorder = Recorder("gateway")
        recording = Recording(
            gateway.accounting, gateway.refresh, recorder, broker_url, step_s
        )
        begun.append(recording)
        recording.start()
        return recording

    yield start
    for recording in begun:
        await recording.close()


@pytest.fixture
async def broker():
    async with Redis.from_url(settings.REDIS_URL) as broker:
        await broker.delete(traffic.KEY)
        yield broker
        await broker.delete(traffic.KEY)


async def totals(*metrics, model="7"):
    def read():
        starts = Bucket10s.objects.values_list("start", flat=True).distinct()
        buckets = [bucket_of("model", model, start) for start in starts]
        return tuple(sum(b.get(m, [0] * 4)[2] for b in buckets) for m in metrics)

    return await sync_to_async(read)()


async def test_history_has_exactly_what_was_asked(gateway, engine, recorded):
    recording = recorded()
    for index in range(40):
        engine.script.refuses = (500, {}) if index % 4 == 0 else None
        await ask(gateway, "POST", GENERATE, ASK)
    await recording.close()
    found = await totals("requests", "errors", "prompt_tokens", "completion_tokens")
    assert found == (40, 10, 30 * 31, 30 * 3)


async def test_processes_add_up(gateway, recorded):
    one, other = recorded(), recorded()
    await asyncio.gather(*(ask(gateway, "POST", GENERATE, ASK) for _ in range(30)))
    await one.close()
    await ask(gateway, "POST", GENERATE, ASK)
    await other.close()
    assert await totals("requests") == (31,)


async def test_idle_running_models_count_zero_and_others_nothing(
    gateway, loading, recorded
):
    routes = [a_route("smol"), a_route("idle", model_id=8, status="stopped")]
    loading.serve(*routes)
    recording = recorded(step_s=60)
    await gateway.refresh.current()
    await recording.close()
    rows = await sync_to_async(
        lambda: [(r.source.key, stored(r)) for r in Bucket10s.objects.all()]
    )()
    [(key, values)] = rows
    assert (key, values["requests"]) == ("7", [0, 0, 0, 1])


async def test_recording_may_begin_again(gateway, recorded):
    recording = recorded()
    await recording.close()
    await recording.close()
    recording.start()
    recording.start()
    await ask(gateway, "POST", GENERATE, ASK)
    await recording.close()
    assert await totals("requests") == (1,)


async def test_broker_is_told_who_asks_what(gateway, engine, recorded, broker):
    engine.script.delay_s = 0.1
    recorded()
    asking = asyncio.create_task(ask(gateway, "POST", GENERATE, ASK))
    seen = []

    async def look():
        told = traffic.read(await broker.hgetall(traffic.KEY), time.time())
        seen.extend(t.models["7"] for t in told.values() if "7" in t.models)

    while not asking.done():
        await look()
        await asyncio.sleep(0.005)
    assert {each["in_flight"] for each in seen} == {1}
    async with asyncio.timeout(5):
        while not any(each["requests"] for each in seen):
            await look()
    ended = next(each for each in seen if each["requests"])
    assert (ended["completion_tokens"], ended["in_flight"]) == (3, 0)
    assert sum(ended["response_time"]["counts"].values()) == 1


async def test_broker_that_is_away_is_told_once_and_costs_nothing(
    gateway, recorded, caplog
):
    recording = recorded(NOBODY)
    await until(lambda: "broker: " in caplog.text)
    await ask(gateway, "POST", GENERATE, ASK)
    await asyncio.sleep(5 * QUICK_S)
    await recording.close()
    warnings = [r for r in caplog.records if r.name == "gateway.usage.reporter"]
    assert [record.levelno for record in warnings] == [logging.WARNING]
    assert await totals("requests") == (1,)
