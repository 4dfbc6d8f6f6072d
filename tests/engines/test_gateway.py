"""The gateway in front of a real engine."""

import asyncio
import json

import pytest
from django.conf import settings

from common.subscription import Subscription
from gateway.app import Gateway
from gateway.routes.cache import Timing
from gateway.routes.table import Replica
from tests.engines.client import KEY, LLAMA
from tests.gateway.client import (
    CHAT,
    GENERATE,
    a_route,
    fetch,
    raw_request,
    serving,
    until,
)
from tests.gateway.conftest import FakeLoader

pytestmark = pytest.mark.engine

FIXED = {"max_tokens": 8, "temperature": 0, "seed": 1}
SAY = {"messages": [{"role": "user", "content": "What is 2 + 2?"}], **FIXED}
LONG = {"prompt": "Count to a thousand.", "max_tokens": 400, "temperature": 1.5}


@pytest.fixture
async def gateway(engine):
    url = f"http://127.0.0.1:{engine.port}"
    replica = Replica(run_uid=engine.uid, base_url=url, api_key=KEY)
    loader = FakeLoader()
    loader.serve(a_route("smol", replica))
    subscription = Subscription(settings.REDIS_URL)
    gateway = Gateway(loader, subscription, Timing(unknown_token_gap_s=0.01))
    yield gateway
    await gateway.close()
    await subscription.close()


def shape(value):
    """Keys and types, without values."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items() if k != "timings"}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, SAY),
        (CHAT, {**SAY, "logprobs": True, "top_logprobs": 2}),
        ("/v1/completions", {"prompt": "Once upon", **FIXED}),
        ("/v1/completions", {"prompt": "Once upon", **FIXED, "logprobs": 1}),
    ],
)
async def test_complete_response_matches_the_engines(gateway, engine, path, body):
    direct = json.loads(engine.request("POST", path, {**body, "model": "smol"})[1])
    through = (await fetch(gateway, "POST", path, {**body, "model": "smol"})).json
    assert shape(through) == shape(direct)
    assert through["usage"]["completion_tokens"] == 8
    names = ["text", "message"]
    assert [{k: c[k] for k in names if k in c} for c in through["choices"]] == [
        {k: c[k] for k in names if k in c} for c in direct["choices"]
    ]


def busy(engine):
    return LLAMA.in_flight(engine.request("GET", "/metrics")[1])


@pytest.mark.parametrize("stream", [True, False])
async def test_disconnect_stops_the_engine(gateway, engine, stream):
    async with serving(gateway) as (host, port):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(raw_request(GENERATE, {**LONG, "stream": stream}))
        await until(lambda: busy(engine))
        writer.close()
        # 400 tokens take several seconds
        await until(lambda: not busy(engine))
