import asyncio

import pytest
from knox.crypto import hash_token

from gateway.errors import GatewayError
from gateway.limits.admission import request_size
from tests.gateway.client import (
    CHAT,
    CHAT_BODY,
    GENERATE,
    PROMPT,
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
def two_tokens(loader, engine):
    routes = [
        a_route("smol", engine.replica),
        a_route("big", engine.replica, model_id=8),
    ]
    grants = {hash_token(token): a_grant() for token in (TOKEN, OTHER)}
    loader.table = a_table(*routes, grants=grants)


async def test_streams_of_one_token_leave_room_for_others(
    gateway, engine, two_tokens, settings
):
    settings.MAX_REQUESTS_PER_TOKEN = 16
    engine.script.delay_s = 60
    streams = [
        asyncio.create_task(fetch(gateway, "POST", CHAT, STREAM)) for _ in range(150)
    ]
    await until(lambda: sum(stream.done() for stream in streams) == 134)
    refused = [stream.result() for stream in streams if stream.done()]
    assert {response.status for response in refused} == {429}
    assert {response.headers["retry-after"] for response in refused} == {"1"}
    assert {r.json["error"]["code"] for r in refused} == {"too_many_requests"}
    assert {r.json["error"]["type"] for r in refused} == {"rate_limit_error"}
    await until(lambda: engine.in_flight == 16)
    engine.script.delay_s = 0
    other = await fetch(gateway, "POST", CHAT, CHAT_BODY, token=OTHER)
    another_model = await fetch(gateway, "POST", CHAT, {**CHAT_BODY, "model": "big"})
    native = await fetch(gateway, "POST", GENERATE, PROMPT)
    assert (other.status, another_model.status, native.status) == (200, 200, 429)
    assert native.json["code"] == "too_many_requests"
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    assert not gateway.limits.in_flight
    assert (await fetch(gateway, "POST", CHAT, CHAT_BODY)).status == 200


async def test_list_of_prompts_beyond_the_limit_is_400(gateway, engine):
    body = {"model": "smol", "prompt": ["a"] * 100}
    response = await fetch(gateway, "POST", "/v1/completions", body)
    error = response.json["error"]
    assert (response.status, error["code"]) == (400, "too_many_prompts")
    assert (error["param"], "100" in error["message"]) == ("prompt", True)
    body = {"model": "smol", "prompt": ["a"] * 3000}
    assert (await fetch(gateway, "POST", "/v1/completions", body)).status == 400
    assert engine.requests == []


async def test_list_of_prompts_takes_as_many_places(gateway, engine, settings):
    settings.MAX_REQUESTS_PER_TOKEN = 4
    engine.script.delay_s = 60
    body = {"model": "smol", "prompt": ["a"] * 4}
    first = asyncio.create_task(fetch(gateway, "POST", "/v1/completions", body))
    await until(lambda: engine.in_flight == 1)
    assert (await fetch(gateway, "POST", CHAT, CHAT_BODY)).status == 429
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ({"prompt": "a"}, 1),
        ({"prompt": ["a"] * 16}, 16),
        ({"prompt": [1, 2, 3] * 10}, 1),
        ({"prompt": [[1, 2], [3]]}, 2),
        ({"prompt": "a", "n": 3}, 3),
        ({"prompt": ["a", "b"], "n": 3, "best_of": 4}, 8),
        ({"messages": []}, 1),
        ({"messages": [], "n": None}, 1),
        ({"input": ["a"] * 128}, 1),
        ({"input": ["a"] * 129}, 2),
        ({"input": ["a"] * 2048}, 16),
    ],
)
def test_size_of_a_request(body, size):
    assert request_size(body, 16) == size


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": ["a"] * 17}, "prompt"),
        ({"prompt": "a", "n": 17}, "n"),
        ({"input": ["a"] * 2049}, "input"),
    ],
)
def test_request_that_can_never_be_admitted_is_invalid(body, field):
    with pytest.raises(GatewayError) as caught:
        request_size(body, 16)
    assert (caught.value.status, caught.value.problems[0].field) == (400, field)


def test_without_a_limit_any_number_is_admitted():
    assert request_size({"prompt": ["a"] * 3000}, 0) == 3000
