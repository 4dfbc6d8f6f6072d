import asyncio
import socket

import pytest

from gateway.engines.client import Engines
from gateway.routes.table import Target
from tests.gateway.client import (
    ASK,
    CHAT,
    CHAT_ASK,
    GENERATE,
    a_route,
    ask,
    raw_request,
    serving,
    until,
)
from tests.gateway.engine import USAGE

STREAM = {**ASK, "stream": True}
CHAT_STREAM = {**CHAT_ASK, "stream": True}
BOTH = [(GENERATE, ASK), (CHAT, CHAT_ASK), (GENERATE, STREAM), (CHAT, CHAT_STREAM)]
STREAMS = BOTH[2:]


@pytest.fixture
def nobody():
    """A replica whose port nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        yield Target(run_uid="c" * 32, base_url=url, api_key="key")


def code_of(answer):
    return answer.json.get("code") or answer.json["error"]["code"]


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_unreachable_engine_is_502(gateway, loading, counts, nobody, path, body):
    loading.serve(a_route("smol", nobody))
    answer = await ask(gateway, "POST", path, body)
    assert (answer.status, code_of(answer)) == (502, "engine_failed")
    assert counts() == {"requests": 1, "errors": 1}


@pytest.mark.parametrize("dies", ["at once", "after headers"])
@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_engine_that_dies_before_the_first_byte_is_502(
    gateway, engine, dies, path, body
):
    engine.script.dies = dies
    answer = await ask(gateway, "POST", path, body)
    assert (answer.status, code_of(answer)) == (502, "engine_failed")
    assert len(engine.requests) == 1


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_other_replica_takes_over_before_the_first_byte(
    gateway, loading, engine, nobody, counts, path, body
):
    loading.serve(a_route("smol", nobody, engine.target))
    statuses = [(await ask(gateway, "POST", path, body)).status for _ in range(4)]
    assert statuses == [200] * 4
    assert counts()["requests"] == 4


async def test_second_chance_is_the_last(gateway, loading, engine, other_engine):
    third = Target(run_uid="d" * 32, base_url="http://127.0.0.1:1", api_key="key")
    engine.script.dies = other_engine.script.dies = "at once"
    route = a_route("smol", engine.target, other_engine.target, third)
    loading.serve(route)
    answer = await ask(gateway, "POST", GENERATE, ASK)
    assert answer.status == 502
    assert len(engine.requests) + len(other_engine.requests) <= 2


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_engine_that_dies_amid_a_stream_ends_it_with_an_error_event(
    gateway, loading, engine, other_engine, counts, path, body
):
    engine.script.dies = other_engine.script.dies = "amid"
    loading.serve(a_route("smol", engine.target, other_engine.target))
    answer = await ask(gateway, "POST", path, body)
    assert answer.status == 200
    *_pieces, last = answer.events
    assert (last.get("code") or last["error"]["code"]) == "engine_failed"
    assert "[DONE]" not in answer.events
    assert (b"event: error\n" in answer.content) == (path == GENERATE)
    assert len(engine.requests) + len(other_engine.requests) == 1
    assert counts() == {"requests": 1, "errors": 1}


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_stream_that_ends_early_is_an_error(gateway, engine, path, body):
    engine.script.says_amid = b": nothing more"
    answer = await ask(gateway, "POST", path, body)
    last = answer.events[-1]
    assert (last.get("code") or last["error"]["code"]) == "engine_failed"


@pytest.mark.parametrize(("path", "body"), STREAMS)
async def test_error_that_an_engine_says_amid_a_stream_ends_it(
    gateway, engine, path, body
):
    engine.script.says_amid = (
        b'data: {"error": {"code": 500, "message": "slot 3 at 0xdead"}}\n\n'
    )
    answer = await ask(gateway, "POST", path, body)
    last = answer.events[-1]
    assert (last.get("code") or last["error"]["code"]) == "engine_failed"
    assert b"0xdead" not in answer.content


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_silent_engine_is_504_and_not_asked_again(
    gateway, loading, engine, other_engine, path, body
):
    gateway.engines = Engines(silence_s=0.05)
    engine.script.silent = other_engine.script.silent = True
    loading.serve(a_route("smol", engine.target, other_engine.target))
    answer = await ask(gateway, "POST", path, body)
    assert (answer.status, code_of(answer)) == (504, "engine_timeout")
    assert len(engine.requests) + len(other_engine.requests) == 1


async def test_requests_spread_over_replicas(gateway, loading, engine, other_engine):
    loading.serve(a_route("smol", engine.target, other_engine.target))
    for each in (engine, other_engine):
        each.script.delay_s = 0.05
    await asyncio.gather(*(ask(gateway, "POST", GENERATE, ASK) for _ in range(6)))
    assert (engine.most_in_flight, other_engine.most_in_flight) == (3, 3)
    assert not gateway.engines.in_flight


async def test_chat_stream_passes_bytes_through(gateway, engine):
    body = {**CHAT_STREAM, "stream_options": {"include_usage": True}}
    answer = await ask(gateway, "POST", CHAT, body)
    assert len(answer.content) == engine.sent
    assert answer.events[-2]["usage"] == USAGE


async def test_pieces_come_as_they_are_made(gateway, engine):
    engine.script.delay_s = 0.02
    answer = await ask(gateway, "POST", GENERATE, STREAM)
    assert [b"Hello" in write for write in answer.writes][:2] == [True, False]
    assert len(answer.writes) >= 4


@pytest.mark.parametrize(
    ("refuses", "status", "code", "message"),
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
            "3001 tokens; allowed: up to 512",
        ),
        ((503, {"error": {"message": "Loading model"}}), 503, "engine_busy", "smol"),
        ((500, {"error": {"message": "at 0xdead"}}), 502, "engine_failed", "smol"),
        ((401, {"error": {"message": "Invalid API Key"}}), 502, "engine_failed", ""),
        ((200, "not JSON"), 502, "engine_failed", "smol"),
    ],
)
async def test_refusal_of_an_engine_is_told(
    gateway, engine, refuses, status, code, message
):
    engine.script.refuses = refuses
    answer = await ask(gateway, "POST", GENERATE, ASK)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert message in answer.json["message"]
    assert "0xdead" not in answer.json["message"]


async def test_context_too_long_has_openais_code(gateway, engine):
    error = {"type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}
    engine.script.refuses = (400, {"error": error})
    answer = await ask(gateway, "POST", CHAT, CHAT_STREAM)
    assert (answer.status, answer.json["error"]["code"]) == (
        400,
        "context_length_exceeded",
    )


@pytest.mark.parametrize(("path", "body"), BOTH)
async def test_client_that_leaves_ends_the_engines_work(
    gateway, engine, counts, path, body
):
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


async def test_client_that_leaves_amid_a_stream_ends_the_engines_work(gateway, engine):
    engine.script.pieces = ("word",) * 1000
    engine.script.delay_s = 0.02
    async with serving(gateway) as address:
        reader, client = await asyncio.open_connection(*address)
        client.write(raw_request(GENERATE, STREAM))
        await reader.readuntil(b"word")
        client.close()
        await until(lambda: engine.cancelled == 1)


async def test_client_that_leaves_amid_its_body_asks_nothing(gateway, engine, counts):
    async with serving(gateway) as address:
        _, client = await asyncio.open_connection(*address)
        client.write(raw_request(GENERATE, ASK)[:-5])
        await until(lambda: counts() == {"in_flight": 1})
        client.close()
        await until(lambda: counts() == {"requests": 1, "cancelled": 1})
    assert engine.requests == []


async def test_slow_client_holds_its_engine_back(gateway, engine):
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
            client.write(raw_request(GENERATE, ASK))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            assert b'"usage"' in await reader.readexactly(length)
        client.close()
    assert len(engine.requests) == 3
    assert gateway.accounting.take()[7].requests == 3


async def test_failure_is_logged_without_prompt_or_keys(gateway, engine, caplog):
    engine.script.dies = "at once"
    await ask(gateway, "POST", GENERATE, {"prompt": "PROMPT"})
    assert f"model smol, run {engine.uid}" in caplog.text
    assert "PROMPT" not in caplog.text
    assert engine.target.api_key not in caplog.text
