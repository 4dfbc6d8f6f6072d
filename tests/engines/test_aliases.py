"""Aliases of two models, with real engines that are killed."""

import asyncio

import pytest

from tests.engines.client import Engine
from tests.engines.test_gateway import LONG, SAY, gateway_to, replica_of
from tests.gateway.client import (
    CHAT,
    a_route,
    an_alias,
    fetch,
    raw_request,
    serving,
    until,
)

pytestmark = pytest.mark.engine

BODY = {**SAY, "model": "any"}


@pytest.fixture
def doomed(driver, model):
    engine = Engine(driver, {"model_path": str(model), "n_ctx": 512})
    engine.wait_until_ready()
    yield engine
    driver.kill(engine.handle)


@pytest.fixture
async def gateway(doomed, engine):
    routes = [
        a_route("first", replica_of(doomed)),
        a_route("second", replica_of(engine), model_id=8),
    ]
    async with gateway_to(*routes, aliases=[an_alias("any", *routes)]) as gateway:
        yield gateway


def kill(driver, engine):
    driver.kill(engine.handle)
    return until(lambda: not driver.observe(engine.handle).alive)


@pytest.mark.parametrize("stream", [False, True])
async def test_second_model_answers_for_a_dead_one(gateway, driver, doomed, stream):
    body = {**BODY, "stream": stream}
    alive = await fetch(gateway, "POST", CHAT, body)
    await kill(driver, doomed)
    dead = await fetch(gateway, "POST", CHAT, body)
    served = [answer.headers["x-served-model"] for answer in (alive, dead)]
    assert served == ["first", "second"]
    assert dead.status == 200
    counts = gateway.usage.counts
    assert (counts[7].requests, counts[7].errors) == (2, 1)
    assert (counts[8].requests, counts[8].completion_tokens) == (1, 8)


async def test_stream_of_a_model_that_dies_is_not_continued(gateway, driver, doomed):
    async with serving(gateway) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        body = {**LONG, "model": "any", "stream": True}
        writer.write(raw_request("/v1/completions", body))
        begun = await reader.readuntil(b"data: ")
        await kill(driver, doomed)
        async with asyncio.timeout(90):
            rest = await reader.readuntil(b'"engine_failed"')
        writer.close()
    assert b"x-served-model: first" in begun
    assert b"[DONE]" not in rest
    assert 8 not in gateway.usage.counts
