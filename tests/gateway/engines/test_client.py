import asyncio

import pytest

from gateway.engines.client import EngineClient, read_all
from gateway.engines.connection import EngineTimeoutError, EngineUnreachableError
from gateway.routes.table import Replica

COMPLETION = "/v1/completions", b'{"model": "smol"}'


async def test_requests_share_a_connection(engine):
    engines = EngineClient()
    for _ in range(2):
        async with engines.post(engine.replica, *COMPLETION) as response:
            assert engines.in_flight == {engine.uid: 1}
            await read_all(response)
    assert engines.in_flight == {}
    assert engine.requests[0]["peer"] == engine.requests[1]["peer"]
    await engines.close()
    await engines.close()


async def test_two_requests_at_once_have_two_connections(engine):
    engines = EngineClient()
    async with engines.post(engine.replica, *COMPLETION) as response:
        async with engines.post(engine.replica, *COMPLETION) as other:
            await read_all(other)
        await read_all(response)
    assert engine.requests[0]["peer"] != engine.requests[1]["peer"]
    await engines.close()


async def test_leaving_early_ends_the_request(engine):
    engine.script.delay_s = 0.05
    engines = EngineClient()
    content = b'{"model": "smol", "stream": true}'
    async with engines.post(
        engine.replica, "/v1/chat/completions", content
    ) as response:
        await response.read()
    async with asyncio.timeout(2):
        while not engine.cancelled:
            await asyncio.sleep(0.01)
    await engines.close()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ({"fails": "at once"}, EngineUnreachableError),
        ({"silent": True}, EngineTimeoutError),
    ],
)
async def test_engine_that_does_not_respond_is_an_error(engine, script, error):
    for name, value in script.items():
        setattr(engine.script, name, value)
    engines = EngineClient(read_timeout_s=0.05)
    with pytest.raises(error):
        async with engines.post(engine.replica, "/v1/completions", b"{}"):
            pass
    assert engines.in_flight == {}
    await engines.close()


def test_key_of_a_run_is_not_in_its_repr():
    assert "secret" not in repr(Replica(run_uid="a", base_url="", api_key="secret"))
