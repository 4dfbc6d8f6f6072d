"""Limits as a client meets them."""

import asyncio
import secrets
import time
from dataclasses import replace

import pytest
from knox.crypto import hash_token

from gateway.limits.rules import Limit
from gateway.routes.table import Used
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

STREAM = {**CHAT_BODY, "stream": True}


@pytest.fixture
def limited(loader, engine):
    """Gives the caller, or the model, a limit."""

    def limit(subject="token", **figures):
        made = (Limit(key=secrets.token_hex(4), subject=subject, **figures),)
        of_model, of_token = (made, ()) if subject == "model" else ((), made)
        route = a_route("smol", engine.replica, limits=of_model)
        grants = {hash_token(TOKEN): a_grant(limits=of_token)}
        loader.table = a_table(route, grants=grants)

    return limit


async def chat(gateway, body=CHAT_BODY):
    return await fetch(gateway, "POST", CHAT, body)


@pytest.mark.parametrize("subject", ["token", "user", "group", "model"])
async def test_requests_beyond_the_limit_are_429(gateway, limited, subject):
    limited(subject, requests_per_minute=2)
    for _ in range(5):  # a minute may end in between
        refused = [await chat(gateway) for _ in range(3)][-1]
        native = await fetch(gateway, "POST", GENERATE, PROMPT)
        if refused.status == native.status == 429:
            break
    error = refused.json["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert error["param"] == f"{subject}.requests_per_minute"
    assert "requests per minute 2" in error["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-limit-requests"] == "2"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert (native.status, native.json["code"]) == (429, "limit_exceeded")
    params = native.json["params"]
    assert (params["subject"], params["limit"]) == (subject, "requests_per_minute")


@pytest.mark.parametrize("body", [CHAT_BODY, STREAM])
async def test_answers_have_the_headers_of_openai(gateway, limited, body):
    limited(requests_per_minute=9, tokens_per_day=1000)
    answer = await chat(gateway, body)
    assert answer.status == 200
    found = {k: v for k, v in answer.headers.items() if "ratelimit" in k}
    assert set(found) == {
        f"x-ratelimit-{what}-{kind}"
        for what in ("limit", "remaining", "reset")
        for kind in ("requests", "tokens")
    }
    assert found["x-ratelimit-remaining-requests"] == "8"
    assert found["x-ratelimit-remaining-tokens"] == "1000"


async def test_usage_before_the_start_counts(gateway, limited, loader):
    """As after a reboot, when the broker has forgotten all."""
    limited(tokens_per_day=1000)
    [limit] = loader.table.grants[hash_token(TOKEN)].limits
    suffix, ends = gateway.limits.windows.at(time.time())["tokens_per_day"]
    number = limit.key, "tokens_per_day"
    used = {number: Used(f"{limit.key}:{suffix}", 1000, ends)}
    loader.table = replace(loader.table, used=used)
    refused = await chat(gateway)
    assert refused.status == 429
    assert refused.json["error"]["param"] == "token.tokens_per_day"


UNKNOWN = {**CHAT_BODY, "model": "none"}
TOO_HOT = {**CHAT_BODY, "temperature": 3}


@pytest.mark.parametrize("subject", ["token", "model"])
@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CHAT, TOO_HOT, 400),
        (CHAT, {**TOO_HOT, "stream": True}, 400),
        (CHAT, CHAT_BODY, 429),
        (GENERATE, b"{", 400),
        ("/v1/messages", CHAT_BODY, 400),
    ],
)
async def test_request_refused_before_it_counts_has_the_headers_too(
    gateway, limited, settings, path, body, status, subject
):
    limited(subject, requests_per_minute=9, tokens_per_day=1000)
    settings.MAX_REQUESTS_PER_TOKEN = 1
    gateway.limits.in_flight[hash_token(TOKEN), 7] = status == 429
    for _ in range(2):
        refused = await fetch(gateway, "POST", path, body)
        assert refused.status == status
        assert refused.headers["x-ratelimit-remaining-requests"] == "9"
        assert refused.headers["x-ratelimit-limit-tokens"] == "1000"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [(CHAT, UNKNOWN, 404), (CHAT, b"[]", 400), ("/v1/models/none", {}, 404)],
)
async def test_request_without_a_model_has_the_headers_of_its_caller(
    gateway, limited, path, body, status
):
    limited(tokens_per_day=1000)
    method = "GET" if path.endswith("none") else "POST"
    refused = await fetch(gateway, method, path, body)
    assert refused.status == status
    assert refused.headers["x-ratelimit-remaining-tokens"] == "1000"


async def test_refused_request_shows_what_others_have_taken(gateway, limited):
    limited(tokens_per_month=1000)
    assert (await chat(gateway)).status == 200
    refused = await chat(gateway, TOO_HOT)
    assert refused.headers["x-ratelimit-remaining-tokens"] == "966"


@pytest.mark.parametrize("token", [None, "unknown"])
async def test_unknown_caller_learns_of_no_limit(gateway, limited, token):
    limited(requests_per_minute=9)
    refused = await fetch(gateway, "POST", CHAT, CHAT_BODY, token=token)
    assert refused.status == 401
    assert not [name for name in refused.headers if "ratelimit" in name]


@pytest.mark.parametrize("body", [CHAT_BODY, STREAM])
async def test_tokens_of_a_response_count(gateway, limited, body):
    limited(tokens_per_month=35)  # a response takes 34
    statuses = [(await chat(gateway, body)).status for _ in range(3)]
    assert statuses == [200, 200, 429]


async def test_places_in_flight_are_free_again_after_a_disconnect(
    gateway, engine, limited
):
    limited(max_in_flight=2)
    engine.script.delay_s = 60
    held = [asyncio.create_task(chat(gateway, STREAM)) for _ in range(2)]
    await until(lambda: engine.in_flight == 2)
    refused = await chat(gateway)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    engine.script.delay_s = 0
    assert (await chat(gateway)).status == 200
    assert not gateway.limits.shared.local.held


async def test_caller_without_a_limit_uses_no_broker(gateway):
    answer = await chat(gateway)
    assert answer.status == 200
    assert not [name for name in answer.headers if "ratelimit" in name]
    assert gateway.limits.shared._task is None


async def test_tokens_of_a_client_that_disconnected_count(gateway, engine, limited):
    limited(tokens_per_month=2)
    engine.script.pieces = ("a",) * 5
    engine.script.delay_s = 0.05
    task = asyncio.create_task(chat(gateway, STREAM))
    await until(lambda: engine.sent > 500)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await chat(gateway)).status == 429
    assert gateway.usage.counts[7].rate_limited == 1
