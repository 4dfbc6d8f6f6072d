import asyncio

import pytest

from gateway.engines.client import EngineClient
from tests.gateway.client import (
    CHAT,
    CHAT_BODY,
    GENERATE,
    PROMPT,
    a_route,
    fetch,
    raw_request,
    serving,
    until,
)

KEEP_ALIVE = b": keep-alive\n\n"
STREAMS = [
    (GENERATE, {**PROMPT, "stream": True}),
    (CHAT, {**CHAT_BODY, "stream": True}),
]


@pytest.fixture(autouse=True)
def often(settings):
    settings.STREAM_KEEPALIVE_SECONDS = 0.2


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_silent_engine_gets_headers_and_comments(gateway, engine, path, body):
    engine.script.silent = True
    async with serving(gateway) as address:
        reader, client = await asyncio.open_connection(*address)
        client.write(raw_request(path, body))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"text/event-stream" in head
        for _ in range(3):
            await reader.readuntil(KEEP_ALIVE)
        client.close()
        await until(lambda: engine.cancelled == 1)


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_comments_come_between_events(gateway, engine, path, body):
    engine.script.delay_s = 0.9
    response = await fetch(gateway, "POST", path, body)
    assert response.writes.count(KEEP_ALIVE) >= 3
    assert response.events[-1] == "[DONE]"
    assert b"Hello" in response.content


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_quick_stream_has_no_comments(gateway, path, body):
    response = await fetch(gateway, "POST", path, body)
    assert KEEP_ALIVE not in response.content


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [(*STREAMS[0], "engine_timeout"), (*STREAMS[1], "engine_timeout")],
)
async def test_error_after_headers_is_an_event(gateway, engine, path, body, code):
    gateway.engines = EngineClient(read_timeout_s=1.0)
    engine.script.silent = True
    response = await fetch(gateway, "POST", path, body)
    assert response.status == 200
    (error,) = response.events
    assert (error.get("code") or error["error"]["code"]) == code
    assert (b"event: error\n" in response.content) == (path == GENERATE)


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_quick_rejection_keeps_its_status(gateway, engine, path, body):
    error = {"type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}
    engine.script.rejects = (400, {"error": error})
    response = await fetch(gateway, "POST", path, body)
    assert response.status == 400
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_other_replica_takes_over_after_headers(
    gateway, loader, engine, other_engine, path, body
):
    engine.script.silent = other_engine.script.silent = True
    loader.serve(a_route("smol", engine.replica, other_engine.replica))
    async with serving(gateway) as address:
        reader, client = await asyncio.open_connection(*address)
        client.write(raw_request(path, body))
        await reader.readuntil(KEEP_ALIVE)
        first, second = engine, other_engine
        if other_engine.in_flight:
            first, second = other_engine, engine
        second.script.silent = False
        first.abort()
        await reader.readuntil(b"[DONE]")
        client.close()


async def test_response_in_one_piece_gets_no_comments(gateway, engine):
    engine.script.delay_s = 0.4
    response = await fetch(gateway, "POST", CHAT, CHAT_BODY)
    assert (response.status, len(response.writes)) == (200, 1)
