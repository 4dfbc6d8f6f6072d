import asyncio

import pytest

from gateway.engines.client import EngineClient
from gateway.routes.table import Replica
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
from tests.gateway.engine import USAGE

STREAM = {**PROMPT, "stream": True}
CHAT_STREAM = {**CHAT_BODY, "stream": True}
BOTH = [(GENERATE, PROMPT), (CHAT, CHAT_BODY), (GENERATE, STREAM), (CHAT, CHAT_STREAM)]
STREAMS = BOTH[2:]


def code_of(response):
    return response.json.get("code") or response.json["error"]["code"]


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_unreachable_engine_is_502(
    gateway, loader, counts, unreachable, path, body
):
    loader.serve(a_route("smol", unreachable))
    response = await fetch(gateway, "POST", path, body)
    assert (response.status, code_of(response)) == (502, "engine_failed")
    assert counts() == {"requests": 1, "errors": 1}


@pytest.mark.parametrize("fails", ["at once", "after headers"])
@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_engine_that_dies_before_the_first_byte_is_502(
    gateway, engine, fails, path, body
):
    engine.script.fails = fails
    response = await fetch(gateway, "POST", path, body)
    assert (response.status, code_of(response)) == (502, "engine_failed")
    assert len(engine.requests) == 1


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_other_replica_takes_over_before_the_first_byte(
    gateway, loader, engine, unreachable, counts, path, body
):
    loader.serve(a_route("smol", unreachable, engine.replica))
    statuses = [(await fetch(gateway, "POST", path, body)).status for _ in range(4)]
    assert statuses == [200] * 4
    assert counts()["requests"] == 4


async def test_request_is_retried_only_once(gateway, loader, engine, other_engine):
    third = Replica(run_uid="d" * 32, base_url="http://127.0.0.1:1", api_key="key")
    engine.script.fails = other_engine.script.fails = "at once"
    route = a_route("smol", engine.replica, other_engine.replica, third)
    loader.serve(route)
    response = await fetch(gateway, "POST", GENERATE, PROMPT)
    assert response.status == 502
    assert len(engine.requests) + len(other_engine.requests) <= 2


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_engine_that_dies_within_a_stream_ends_it_with_an_error_event(
    gateway, loader, engine, other_engine, counts, path, body
):
    engine.script.fails = other_engine.script.fails = "mid-stream"
    loader.serve(a_route("smol", engine.replica, other_engine.replica))
    response = await fetch(gateway, "POST", path, body)
    assert response.status == 200
    *_pieces, last = response.events
    assert (last.get("code") or last["error"]["code"]) == "engine_failed"
    assert "[DONE]" not in response.events
    assert (b"event: error\n" in response.content) == (path == GENERATE)
    assert len(engine.requests) + len(other_engine.requests) == 1
    assert counts() == {"requests": 1, "errors": 1}


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_stream_that_ends_early_is_an_error(gateway, engine, path, body):
    engine.script.final_event = b": nothing more"
    response = await fetch(gateway, "POST", path, body)
    last = response.events[-1]
    assert (last.get("code") or last["error"]["code"]) == "engine_failed"


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_engine_error_within_a_stream_ends_it(gateway, engine, path, body):
    engine.script.final_event = (
        b'data: {"error": {"code": 500, "message": "slot 3 at 0xdead"}}\n\n'
    )
    response = await fetch(gateway, "POST", path, body)
    last = response.events[-1]
    assert (last.get("code") or last["error"]["code"]) == "engine_failed"
    assert b"0xdead" not in response.content


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_silent_engine_is_504_without_retry(
    gateway, loader, engine, other_engine, path, body
):
    gateway.engines = EngineClient(read_timeout_s=0.05)
    engine.script.silent = other_engine.script.silent = True
    loader.serve(a_route("smol", engine.replica, other_engine.replica))
    response = await fetch(gateway, "POST", path, body)
    assert (response.status, code_of(response)) == (504, "engine_timeout")
    assert len(engine.requests) + len(other_engine.requests) == 1


async def test_requests_spread_over_replicas(gateway, loader, engine, other_engine):
    loader.serve(a_route("smol", engine.replica, other_engine.replica))
    for each in (engine, other_engine):
        each.script.delay_s = 0.05
    await asyncio.gather(*(fetch(gateway, "POST", GENERATE, PROMPT) for _ in range(6)))
    assert (engine.most_in_flight, other_engine.most_in_flight) == (3, 3)
    assert not gateway.engines.in_flight


async def test_chat_stream_passes_bytes_through(gateway, engine):
    body = {**CHAT_STREAM, "stream_options": {"include_usage": True}}
    response = await fetch(gateway, "POST", CHAT, body)
    assert len(response.content) == engine.sent
    assert response.events[-2]["usage"] == USAGE


async def test_pieces_arrive_as_they_are_generated(gateway, engine):
    engine.script.delay_s = 0.02
    response = await fetch(gateway, "POST", GENERATE, STREAM)
    assert [b"Hello" in write for write in response.writes][:2] == [True, False]
    assert len(response.writes) >= 4


@pytest.mark.parametrize(
    ("rejects", "status", "code", "message"),
    [
        (
            (
                400,
                {
                    "error": {
                        "code": 400,
                        "message": "request (3001 tokens) exceeds",
                        "type": "exceed_context_size_error",
                        "n_prompt_tokens": 3001,
                        "n_ctx": 512,
                    }
                },
            ),
            400,
            "context_too_long",
            "context length is 512 tokens. The request has 3001",
        ),
        ((503, {"error": {"message": "Loading model"}}), 503, "engine_busy", "smol"),
        ((500, {"error": {"message": "at 0xdead"}}), 502, "engine_failed", "smol"),
        ((401, {"error": {"message": "Invalid API Key"}}), 502, "engine_failed", ""),
        ((200, "not JSON"), 502, "engine_failed", "smol"),
    ],
)
async def test_engine_error_is_passed_on(
    gateway, engine, rejects, status, code, message
):
    engine.script.rejects = rejects
    response = await fetch(gateway, "POST", GENERATE, PROMPT)
    assert (response.status, response.json["code"]) == (status, code)
    assert message in response.json["message"]
    assert "0xdead" not in response.json["message"]


async def test_context_too_long_has_openais_code(gateway, engine):
    error = {"type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}
    engine.script.rejects = (400, {"error": error})
    response = await fetch(gateway, "POST", CHAT, CHAT_STREAM)
    assert (response.status, response.json["error"]["code"]) == (
        400,
        "context_length_exceeded",
    )


@pytest.mark.parametrize(("path", "body"), BOTH[:2])
async def test_response_that_is_too_large_to_assemble_is_400(
    gateway, engine, counts, path, body
):
    engine.script.pieces = ("x" * 600_000,) * 200
    response = await fetch(gateway, "POST", path, body)
    assert (response.status, code_of(response)) == (400, "response_too_large")
    assert engine.sent < 80_000_000
    assert counts() == {"requests": 1, "refused": 1}


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_disconnect_stops_the_engine(gateway, engine, counts, path, body):
    engine.script.delay_s = 60
    async with serving(gateway) as address:
        _, client = await asyncio.open_connection(*address)
        client.write(raw_request(path, body))
        await until(lambda: engine.in_flight == 1)
        client.close()
        await until(lambda: engine.cancelled == 1)
        await until(lambda: "in_flight" not in counts())
    assert counts() == {"requests": 1, "cancelled": 1}
    assert not gateway.engines.in_flight


async def test_disconnect_within_a_stream_stops_the_engine(gateway, engine, counts):
    engine.script.pieces = ("word",) * 1000
    engine.script.delay_s = 0.02
    async with serving(gateway) as address:
        reader, client = await asyncio.open_connection(*address)
        client.write(raw_request(GENERATE, STREAM))
        await reader.readuntil(b"word")
        client.close()
        await until(lambda: engine.cancelled == 1)
        await until(lambda: "in_flight" not in counts())
    assert 1 <= counts()["completion_tokens"] < 1000


async def test_disconnect_within_the_body_sends_nothing(gateway, engine, counts):
    async with serving(gateway) as address:
        _, client = await asyncio.open_connection(*address)
        client.write(raw_request(GENERATE, PROMPT)[:-5])
        await until(lambda: counts() == {"in_flight": 1})
        client.close()
        await until(lambda: counts() == {"requests": 1, "cancelled": 1})
    assert engine.requests == []


async def test_slow_client_slows_its_engine(gateway, engine):
    piece = "x" * 60_000
    engine.script.pieces = (piece,) * 1000
    async with serving(gateway) as address:
        reader, client = await asyncio.open_connection(*address, limit=1000)
        client.write(raw_request(CHAT, CHAT_STREAM))
        await reader.readuntil(b"\r\n\r\n")
        sent = -1
        while sent != engine.sent:
            sent = engine.sent
            await asyncio.sleep(0.2)
        # What kernels and servers hold on the way, of 60 MB
        assert sent < 25_000_000
        client.close()
        await until(lambda: engine.cancelled == 1)


async def test_connection_serves_many_requests(gateway, engine):
    async with serving(gateway) as address:
        reader, client = await asyncio.open_connection(*address)
        for _ in range(3):
            client.write(raw_request(GENERATE, PROMPT))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            assert b'"usage"' in await reader.readexactly(length)
        client.close()
    assert len(engine.requests) == 3
    assert gateway.usage.drain()[7].requests == 3


async def test_failure_is_logged_without_prompt_or_keys(gateway, engine, caplog):
    engine.script.fails = "at once"
    await fetch(gateway, "POST", GENERATE, {"prompt": "PROMPT"})
    assert f"model smol failed on run {engine.uid}" in caplog.text
    assert "PROMPT" not in caplog.text
    assert engine.replica.api_key not in caplog.text


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_replica_that_refuses_is_passed_over(
    gateway, loader, engine, other_engine, path, body
):
    engine.script.rejects = (503, {"error": {"message": "Loading model"}})
    loader.serve(a_route("smol", engine.replica, other_engine.replica))
    statuses = [(await fetch(gateway, "POST", path, body)).status for _ in range(4)]
    assert statuses == [200] * 4


async def test_replica_that_fails_often_gets_nothing_for_a_while(
    gateway, loader, engine, other_engine
):
    engine.script.fails = "at once"
    loader.serve(a_route("smol", engine.replica, other_engine.replica))
    for n in range(40):
        body = {**PROMPT, "prompt": f"{n} Hello"}
        assert (await fetch(gateway, "POST", GENERATE, body)).status == 200
    assert len(engine.requests) == 3
    assert len(other_engine.requests) == 40


async def test_session_stays_on_its_replica(gateway, loader, engine, other_engine):
    loader.serve(a_route("smol", engine.replica, other_engine.replica))
    for n in range(10):
        body = {**PROMPT, "prompt": f"{n} Hello"}
        headers = [("X-Session-Id", "of-ann")]
        await fetch(gateway, "POST", GENERATE, body, headers=headers)
    assert {len(engine.requests), len(other_engine.requests)} == {0, 10}
