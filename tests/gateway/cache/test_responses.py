"""The response cache as a client meets it."""

import asyncio
import json
import secrets
from dataclasses import replace

import pytest
from knox.crypto import hash_token

from common.request_fields.dialect import OPENAI
from gateway.cache.responses import ResponseCache
from gateway.limits.rules import Limit
from gateway.routes.table import Prices
from runtimes.frameworks.vllm.requests import DIALECT as VLLM
from tests.gateway.client import (
    CHAT,
    CHAT_BODY,
    GENERATE,
    PROMPT,
    TOKEN,
    a_grant,
    a_route,
    a_table,
    an_alias,
    fetch,
    until,
)
from tests.monitoring.history.rows import Clock

TTL_S = 60
OTHER = "token-of-somebody-else"
GREEDY = {"temperature": 0}
STREAM = {"stream": True}
WITH_USAGE = {**STREAM, "stream_options": {"include_usage": True}}
ASKED = {**CHAT_BODY, **GREEDY}
TEXT = {"model": "smol", "prompt": "a", **GREEDY}
INPUT = {"model": "smol", "input": "a"}
RERANK = {"model": "smol", "query": "a", "documents": ["b"]}
HIT, MISS, NOT_CACHED = ("miss", "hit"), ("miss", "miss"), (None, None)


@pytest.fixture
def serve(gateway, loader, engine):
    """Serves a model that has the cache, to two tokens."""

    def serve(*grants, **fields):
        fields = {"cache_ttl_s": TTL_S, "aliases": ("alias",), **fields}
        first, second = grants or (a_grant(), a_grant(user_id=2))
        known = {hash_token(TOKEN): first, hash_token(OTHER): second}
        replicas = fields.pop("replicas", (engine.replica,))
        loader.table = a_table(a_route("smol", *replicas, **fields), grants=known)
        if gateway.routes.table is not None:
            gateway.routes.table = loader.table

    serve()
    return serve


@pytest.fixture
def clock(gateway):
    clock = Clock(1000.0)
    gateway.cache = ResponseCache(2**20, clock)
    return clock


def a_tool(*names):
    properties = {name: {"type": "string"} for name in names}
    parameters = {"type": "object", "properties": properties}
    function = {"name": "look", "parameters": parameters}
    return {"tools": [{"type": "function", "function": function}]}


async def send(gateway, body=ASKED, path=CHAT, **more):
    return await fetch(gateway, "POST", path, body, **more)


async def marks(gateway, *bodies, path=CHAT):
    """Of each answer."""
    answers = [await send(gateway, body, path) for body in bodies]
    assert {answer.status for answer in answers} == {200}
    return tuple(answer.headers.get("x-cache") for answer in answers)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (CHAT, ASKED, HIT),
        (CHAT, {**ASKED, **STREAM}, HIT),
        (CHAT, {**ASKED, **WITH_USAGE}, HIT),
        (CHAT, {**ASKED, "temperature": 0.0, "n": 1}, HIT),
        (CHAT, {**ASKED, "n": 2}, NOT_CACHED),
        (CHAT, CHAT_BODY, NOT_CACHED),
        (CHAT, {**ASKED, "temperature": None}, NOT_CACHED),
        (CHAT, {**ASKED, "temperature": 0.1}, NOT_CACHED),
        (GENERATE, {**PROMPT, **GREEDY}, HIT),
        (GENERATE, {**PROMPT, **GREEDY, **STREAM}, HIT),
        (GENERATE, PROMPT, NOT_CACHED),
        ("/v1/completions", TEXT, HIT),
        ("/v1/completions", {**TEXT, **STREAM}, HIT),
        ("/v1/embeddings", INPUT, HIT),
        ("/v1/rerank", RERANK, HIT),
        ("/v1/score", {"model": "smol", "text_1": "a", "text_2": "b"}, HIT),
        ("/v1/tokenize", {"model": "smol", "prompt": "a"}, NOT_CACHED),
        ("/v1/messages/count_tokens", CHAT_BODY, NOT_CACHED),
    ],
)
async def test_answer_that_would_be_the_same_is_repeated(
    gateway, serve, engine, path, body, expected
):
    serve(dialect=VLLM, embeds=True)
    first, second = [await send(gateway, body, path) for _ in range(2)]
    assert first.status == second.status == 200
    assert (first.headers.get("x-cache"), second.headers.get("x-cache")) == expected
    assert len(engine.requests) == (1 if expected == HIT else 2)
    if expected == HIT:
        assert second.content == first.content
        assert {**second.headers, "x-cache": ""} == {**first.headers, "x-cache": ""}


@pytest.mark.parametrize("more", [{}, STREAM])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {**INPUT, **GREEDY}),
        ("/v1/messages", {**ASKED, "max_tokens": 5}),
    ],
)
async def test_translated_answer_is_repeated_as_it_was_sent(
    gateway, serve, engine, path, body, more
):
    serve(dialect=OPENAI)
    first, second = [await send(gateway, {**body, **more}, path) for _ in range(2)]
    assert (first.status, second.headers["x-cache"]) == (200, "hit")
    assert (second.content, len(engine.requests)) == (first.content, 1)


async def test_default_temperature_of_the_model_counts(gateway, serve):
    serve(sampling={"temperature": 0.0})
    assert await marks(gateway, CHAT_BODY, CHAT_BODY) == HIT
    warm = {**CHAT_BODY, "temperature": 0.5}
    assert await marks(gateway, warm, warm) == NOT_CACHED


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (ASKED, dict(reversed(ASKED.items())), HIT),
        (ASKED, {**ASKED, "max_tokens": None}, HIT),
        (ASKED, {**ASKED, "model": "alias"}, HIT),
        (ASKED, {**ASKED, "model": "7"}, HIT),
        (ASKED, {**ASKED, **STREAM}, MISS),
        ({**ASKED, **STREAM}, {**ASKED, **WITH_USAGE}, MISS),
        (ASKED, {**ASKED, "max_tokens": 5}, MISS),
        (ASKED, {**ASKED, "seed": 1}, MISS),
        (ASKED, {**ASKED, "messages": [{"role": "user", "content": "Hi "}]}, MISS),
        ({**ASKED, **a_tool("a", "b")}, {**ASKED, **a_tool("b", "a")}, MISS),
    ],
)
async def test_requests_must_be_the_same(gateway, serve, first, second, expected):
    assert await marks(gateway, first, second) == expected


async def test_answer_ends_with_its_time(gateway, serve, clock, engine):
    assert await marks(gateway, ASKED, ASKED) == HIT
    clock.now += TTL_S - 1
    assert await marks(gateway, ASKED) == ("hit",)
    clock.now += 1
    assert await marks(gateway, ASKED, ASKED) == HIT
    serve(cache_ttl_s=0)
    assert await marks(gateway, ASKED, ASKED) == NOT_CACHED
    assert len(engine.requests) == 4


async def test_model_that_was_restarted_begins_without_answers(gateway, serve, engine):
    assert await marks(gateway, ASKED, ASKED) == HIT
    serve(replicas=[replace(engine.replica, run_uid="c" * 32)])
    assert await marks(gateway, ASKED, ASKED) == HIT
    assert len(engine.requests) == 2


async def test_model_that_does_not_run_repeats_nothing(gateway, serve):
    assert await marks(gateway, ASKED, ASKED) == HIT
    serve(status="stopped", retry_after_s=None)
    refused = await send(gateway)
    assert (refused.status, refused.headers.get("x-cache")) == (409, None)


async def test_users_of_a_model_share_its_answers(gateway, serve, engine):
    await send(gateway)
    assert (await send(gateway, token=OTHER)).headers["x-cache"] == "hit"
    assert (await send(gateway, token="unknown")).status == 401
    serve(a_grant(), a_grant(can_use=False))
    assert (await send(gateway, token=OTHER)).status == 403
    assert len(engine.requests) == 1


@pytest.mark.parametrize(
    ("directive", "answered", "is_stored"),
    [
        ("no-cache", "miss", True),
        ("max-age=0, No-Cache", "miss", True),
        ("no-store", None, False),
        ("no-cache, no-store", None, False),
        ("max-age=60", "hit", True),
    ],
)
async def test_client_can_do_without(
    gateway, serve, engine, directive, answered, is_stored
):
    await send(gateway)
    engine.script.pieces = ("new",)
    headers = [("cache-control", directive)]
    fresh = await send(gateway, headers=headers)
    assert fresh.headers.get("x-cache") == answered
    after = await send(gateway)
    assert after.headers["x-cache"] == "hit"
    assert (after.content == fresh.content) is is_stored


@pytest.mark.parametrize("more", [{}, STREAM])
@pytest.mark.parametrize(
    "script",
    [
        {"rejects": (400, {"error": {"message": "no"}})},
        {"rejects": (500, {"error": {"message": "no"}})},
        {"fails": "at once"},
        {"fails": "mid-stream"},
        {"final_event": b'data: {"error": {"message": "no"}}\n\n'},
    ],
)
async def test_answer_that_failed_is_not_kept(gateway, serve, engine, script, more):
    body, good = {**ASKED, **more}, engine.script
    engine.script = replace(good, **script)
    await send(gateway, body)
    engine.script = good
    assert await marks(gateway, body, body) == HIT
    assert len(gateway.cache.store) == 1


async def test_response_whose_stream_says_that_it_failed_is_not_kept(
    gateway, serve, engine, counts
):
    serve(dialect=VLLM)
    failed = {"type": "response.failed", "response": {"error": {"message": "no"}}}
    data = json.dumps(failed).encode()
    final = b"event: response.failed\ndata: " + data + b"\n\n"
    engine.script = replace(engine.script, pieces=("a",), final_event=final)
    body = {**INPUT, **GREEDY, **STREAM}
    assert (await marks(gateway, body, body, path="/v1/responses")) == MISS
    assert counts() == {"requests": 2, "errors": 2}


async def test_answer_whose_client_left_is_not_kept(gateway, serve, engine):
    engine.script.delay_s = 60
    task = asyncio.create_task(send(gateway, {**ASKED, **STREAM}))
    await until(lambda: engine.in_flight)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    engine.script.delay_s = 0
    assert await marks(gateway, *[{**ASKED, **STREAM}] * 2) == HIT


@pytest.mark.parametrize("more", [{}, STREAM])
async def test_large_answer_passes_and_is_not_kept(gateway, serve, engine, more):
    gateway.cache = ResponseCache(64 * 1024)
    engine.script.pieces = ("x" * 3000, "y" * 3000)
    assert await marks(gateway, {**ASKED, **more}, {**ASKED, **more}) == MISS
    assert gateway.cache.store.size_bytes == 0


async def test_number_that_no_engine_reads_is_not_cached(gateway, serve):
    body = {**ASKED, "logit_bias": {"1": 2**70}}
    assert "x-cache" not in (await send(gateway, body)).headers


async def test_hit_costs_no_tokens_and_is_counted(gateway, serve, counts):
    serve(prices=Prices(input=10, output=10))
    await marks(gateway, ASKED, ASKED, ASKED)
    counted = {"requests": 3, "cache_hits": 2}
    counted |= {"prompt_tokens": 31, "completion_tokens": 3}
    assert counts() == counted
    (entry,) = gateway.usage.by_token.drain().values()
    assert {name: getattr(entry, name) for name in counted} == counted
    assert entry.cost == 340


def a_limit(subject, **figures):
    return (Limit(key=secrets.token_hex(4), subject=subject, **figures),)


async def test_hit_counts_as_a_request_of_its_caller_and_takes_no_tokens(
    gateway, serve
):
    limits = a_limit("token", requests_per_minute=100, tokens_per_month=1000)
    serve(a_grant(limits=limits), a_grant())
    await marks(gateway, ASKED)
    first, second = [await send(gateway) for _ in range(2)]
    left = [
        (h["x-ratelimit-remaining-requests"], h["x-ratelimit-remaining-tokens"])
        for h in (first.headers, second.headers)
    ]
    assert {tokens for _, tokens in left} == {"966"}
    assert left[0][0] > left[1][0] or left[1][0] == "99"  # a new minute began


async def test_hit_of_a_caller_without_requests_left_is_refused(gateway, serve):
    limits = a_limit("token", tokens_per_month=34)
    serve(a_grant(limits=limits), a_grant())
    await marks(gateway, ASKED)
    refused, other = [await send(gateway, {**ASKED, **each}) for each in ({}, STREAM)]
    assert (refused.status, other.status) == (429, 429)
    # It must not show what others have sent to somebody who may send nothing.
    assert refused.headers.keys() == other.headers.keys()
    assert "x-cache" not in refused.headers
    assert (await send(gateway, token=OTHER)).headers["x-cache"] == "hit"


async def test_failure_is_not_marked(gateway, serve, engine):
    engine.script.rejects = (400, {"error": {"message": "no"}})
    assert "x-cache" not in (await send(gateway)).headers


async def test_hit_does_not_wait_for_a_busy_model(gateway, serve, engine):
    serve(limits=a_limit("model", max_in_flight=1, queue_length=1))
    await marks(gateway, ASKED)
    engine.script.delay_s = 60
    busy = asyncio.create_task(send(gateway, {**ASKED, "seed": 1}))
    await until(lambda: engine.in_flight == 1)
    assert (await send(gateway)).headers["x-cache"] == "hit"
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    assert not gateway.limits.shared.local.held


async def test_comments_of_a_stream_that_waited_are_not_repeated(
    gateway, serve, engine
):
    gateway.limits.keep_alive_s = 0.05
    serve(limits=a_limit("model", max_in_flight=1, queue_length=1))
    engine.script.delay_s = 60
    busy = asyncio.create_task(send(gateway))
    await until(lambda: engine.in_flight == 1)
    waiting = asyncio.create_task(send(gateway, {**ASKED, **STREAM}))
    await until(lambda: 7 in gateway.limits.queues and len(gateway.limits.queues[7]))
    await asyncio.sleep(0.2)
    engine.script.delay_s = 0
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    first, second = await waiting, await send(gateway, {**ASKED, **STREAM})
    assert (first.headers["x-cache"], second.headers["x-cache"]) == HIT
    assert first.content.startswith(b": waiting\n\n")
    assert second.content == first.content.replace(b": waiting\n\n", b"")


async def test_alias_of_several_models_uses_the_cache_of_the_one_that_serves(
    gateway, loader, engine, unreachable
):
    routes = [
        a_route("first", unreachable, cache_ttl_s=TTL_S),
        a_route("second", engine.replica, model_id=8, cache_ttl_s=TTL_S),
    ]
    loader.serve(*routes, aliases=[an_alias("any", *routes)])
    answers = [await send(gateway, {**ASKED, "model": "any"}) for _ in range(2)]
    answers.append(await send(gateway, {**ASKED, "model": "second"}))
    assert [answer.headers["x-cache"] for answer in answers] == ["miss", "hit", "hit"]
    assert len(engine.requests) == len(gateway.cache.store) == 1


async def test_stream_that_waited_for_a_model_that_failed_is_repeated_from_another(
    gateway, loader, engine, other_engine
):
    gateway.limits.keep_alive_s = 0.05
    limits = a_limit("model", max_in_flight=1, queue_length=1)
    first = a_route("first", engine.replica, limits=limits)
    second = a_route("second", other_engine.replica, model_id=8, cache_ttl_s=TTL_S)
    loader.serve(first, second, aliases=[an_alias("any", first, second)])
    kept = await send(gateway, {**ASKED, **STREAM, "model": "second"})
    engine.script.delay_s = 60
    busy = asyncio.create_task(send(gateway, {**ASKED, "model": "first"}))
    await until(lambda: engine.in_flight == 1)
    waiting = asyncio.create_task(send(gateway, {**ASKED, **STREAM, "model": "any"}))
    await until(lambda: 7 in gateway.limits.queues and len(gateway.limits.queues[7]))
    await asyncio.sleep(0.2)
    engine.script.fails = "at once"
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    answer = await waiting
    assert answer.content.startswith(b": waiting")
    assert answer.content.replace(b": waiting\n\n", b"") == kept.content
    assert len(other_engine.requests) == 1


async def test_plain_model_has_no_header_and_keeps_nothing(gateway, engine):
    assert await marks(gateway, ASKED, ASKED) == NOT_CACHED
    assert (len(gateway.cache.store), len(engine.requests)) == (0, 2)
