"""A thousand requests: none is lost, none comes twice."""

import asyncio
import json

import pytest

from tests.engines.client import LLAMA
from tests.engines.test_gateway import in_front_of
from tests.gateway.client import fetch

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

REQUESTS, AT_ONCE = 1000, 8
BODY = {"model": "smol", "prompt": "Hi", "max_tokens": 1, "temperature": 0}


def generated(engine):
    """Tokens that the engine has generated so far."""
    lines = engine.request("GET", LLAMA.metrics_path({}))[1].splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(COUNTER))


COUNTER = "llamacpp:tokens_predicted_total "


async def test_closing_after_streams_loses_and_repeats_nothing(engine):
    """llama.cpp closes its connection after each stream, without announcing it."""
    before, waiting = generated(engine), iter(range(REQUESTS))
    statuses, tokens = [], 0

    async def client(gateway):
        nonlocal tokens
        for n in waiting:
            body = {**BODY, "stream": n % 2 == 0}
            body |= {"stream_options": {"include_usage": True}} if n % 2 == 0 else {}
            response = await fetch(gateway, "POST", "/v1/completions", body)
            statuses.append(response.status)
            last = response.events[-2] if n % 2 == 0 else json.loads(response.content)
            tokens += last["usage"]["completion_tokens"]

    async with in_front_of(engine) as gateway:
        await asyncio.gather(*(client(gateway) for _ in range(AT_ONCE)))
    assert statuses == [200] * REQUESTS
    assert generated(engine) - before == tokens
