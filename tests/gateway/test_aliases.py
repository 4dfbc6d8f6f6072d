"""Aliases of several models, in front of stand-ins for their engines."""

from collections import Counter

import pytest

from gateway.limits.rules import Limit
from tests.gateway.client import CHAT, CHAT_BODY, PROMPT, a_route, an_alias, fetch
from tests.gateway.engine import USAGE

BODY = {**CHAT_BODY, "model": "any"}
STREAM = {**BODY, "stream": True}
REQUESTS = [
    (CHAT, BODY),
    (CHAT, STREAM),
    ("/v1/completions", {"model": "any", **PROMPT}),
    ("/v1/responses", {"model": "any", "input": "Hi"}),
    ("/v1/messages", {**BODY, "max_tokens": 5}),
    ("/v1/tokenize", {"model": "any", **PROMPT}),
    ("/api/models/any/generate", PROMPT),
    ("/api/models/any/generate", {**PROMPT, "stream": True}),
]
LOADING = (503, {"error": {"message": "Loading model"}})
FAILED = (500, {"error": {"message": "Compute error."}})
WRONG = (400, {"error": {"message": "Unknown parameter"}})


@pytest.fixture
def serve(loader, engine, other_engine):
    """Models "first" (7) and "second" (8), and the alias "any" of both."""

    def serve(*first, mode="fallback", models=None, **fields):
        routes = [
            a_route("first", *(first or [engine.replica]), **fields),
            a_route("second", other_engine.replica, model_id=8),
        ]
        aliases = [an_alias("any", *routes, mode=mode)]
        loader.serve(*routes, aliases=aliases, models=models)

    return serve


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_first_model_answers(gateway, serve, engine, other_engine, path, body):
    serve()
    answer = await fetch(gateway, "POST", path, body)
    assert (answer.status, answer.headers["x-served-model"]) == (200, "first")
    assert engine.body.get("model", "first") == "first"
    assert not other_engine.requests


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_next_model_answers_for_one_that_is_unreachable(
    gateway, serve, unreachable, counts, path, body
):
    serve(unreachable)
    answer = await fetch(gateway, "POST", path, body)
    assert (answer.status, answer.headers["x-served-model"]) == (200, "second")
    assert counts(7) == {"requests": 1, "errors": 1}
    assert counts(8)["requests"] == 1


@pytest.mark.parametrize(
    ("script", "status", "served"),
    [
        ({"fails": "at once"}, 200, "second"),
        ({"fails": "after headers"}, 200, "second"),
        ({"rejects": LOADING}, 200, "second"),
        ({"rejects": FAILED}, 200, "second"),
        ({"rejects": WRONG}, 400, "first"),
        ({"fails": "mid-stream"}, 200, "first"),
    ],
    ids=str,
)
async def test_next_model_answers_unless_the_first_one_has_begun(
    gateway, serve, engine, other_engine, script, status, served
):
    for name, value in script.items():
        setattr(engine.script, name, value)
    serve()
    answer = await fetch(gateway, "POST", CHAT, STREAM)
    assert (answer.status, answer.headers["x-served-model"]) == (status, served)
    assert len(engine.requests) == 1
    assert len(other_engine.requests) == (served == "second")


async def test_stream_that_breaks_off_ends_with_an_error_event(gateway, serve, engine):
    engine.script.fails = "mid-stream"
    serve()
    answer = await fetch(gateway, "POST", CHAT, STREAM)
    assert answer.events[-1]["error"]["code"] == "engine_failed"


async def test_answer_has_the_name_of_the_model_that_served(gateway, serve):
    serve()
    assert (await fetch(gateway, "POST", CHAT, BODY)).json["model"] == "first"


async def test_usage_counts_for_the_model_that_served(gateway, serve, engine, counts):
    engine.script.fails = "at once"
    serve()
    await fetch(gateway, "POST", CHAT, BODY)
    assert counts(7) == {"requests": 1, "errors": 1}
    assert counts(8)["completion_tokens"] == USAGE["completion_tokens"]
    used = {key.model_id: each for key, each in gateway.usage.by_token.drain().items()}
    assert {model: each.requests for model, each in used.items()} == {7: 1, 8: 1}


@pytest.mark.parametrize(("status", "wait"), [("starting", 5), ("stopped", None)])
async def test_model_that_is_not_running_is_passed_over(
    gateway, serve, engine, counts, status, wait
):
    serve(status=status, retry_after_s=wait)
    answer = await fetch(gateway, "POST", CHAT, BODY)
    assert (answer.status, answer.headers["x-served-model"]) == (200, "second")
    assert not engine.requests
    assert not counts(7)


@pytest.mark.parametrize(
    ("waits", "status", "code", "retry_after"),
    [
        ((None, 5), 503, "model_not_ready", "5"),
        ((10, 5), 503, "model_not_ready", "5"),
        ((None, None), 409, "model_not_running", None),
        ((), 409, "model_not_running", None),
    ],
)
async def test_alias_of_models_that_are_not_running(
    gateway, loader, waits, status, code, retry_after
):
    states = {None: "stopped", 5: "starting", 10: "waiting"}
    routes = [
        a_route(f"m{n}", model_id=n, status=states[wait], retry_after_s=wait)
        for n, wait in enumerate(waits)
    ]
    loader.serve(*routes, aliases=[an_alias("any", *routes)])
    answer = await fetch(gateway, "POST", CHAT, BODY)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert answer.headers.get("retry-after") == retry_after
    listed = (await fetch(gateway, "GET", "/v1/models/any")).json
    assert listed["status"] == states[retry_after and 5]


async def test_all_models_fail(gateway, serve, unreachable, other_engine):
    other_engine.script.rejects = FAILED
    serve(unreachable)
    answer = await fetch(gateway, "POST", CHAT, BODY)
    assert (answer.status, answer.json["error"]["code"]) == (502, "engine_failed")
    assert answer.headers["x-served-model"] == "second"


async def test_limit_of_a_model_is_not_passed_over(gateway, serve, other_engine):
    serve(limits=(Limit(key="alias-test", subject="model", tokens_per_minute=1),))
    statuses = [(await fetch(gateway, "POST", CHAT, BODY)).status for _ in range(2)]
    assert statuses == [200, 429]
    assert not other_engine.requests


async def test_token_uses_only_its_models_of_an_alias(gateway, serve, other_engine):
    serve(models=frozenset({8}))
    answer = await fetch(gateway, "POST", CHAT, BODY)
    assert (answer.status, answer.headers["x-served-model"]) == (200, "second")
    listed = await fetch(gateway, "GET", "/v1/models")
    assert [each["id"] for each in listed.json["data"]] == ["any", "second"]
    other_engine.script.rejects = FAILED
    assert (await fetch(gateway, "POST", CHAT, BODY)).status == 502


@pytest.mark.parametrize("models", [frozenset(), frozenset({99})])
async def test_alias_without_a_model_of_the_token_is_unknown(gateway, serve, models):
    serve(models=models)
    answer = await fetch(gateway, "POST", CHAT, BODY)
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
    assert (await fetch(gateway, "GET", "/v1/models/any")).status == 404
    assert (await fetch(gateway, "GET", "/v1/models")).json["data"] == []


async def test_weights_and_sessions_decide(gateway, serve, engine, other_engine):
    serve(mode="weighted")
    served = Counter()
    for number in range(20):
        session = [("x-session-id", f"session {number}")]
        pair = [await fetch(gateway, "POST", CHAT, BODY, headers=session) for _ in "12"]
        first, again = (answer.headers["x-served-model"] for answer in pair)
        assert first == again
        served[first] += 1
    assert len(served) == 2


async def test_alias_is_listed_beside_models(gateway, serve):
    serve()
    listed = await fetch(gateway, "GET", "/v1/models")
    assert [each["id"] for each in listed.json["data"]] == ["any", "first", "second"]
    shown = (await fetch(gateway, "GET", "/v1/models/any")).json
    assert shown in listed.json["data"]
    assert (shown["status"], shown["object"]) == ("running", "model")


async def test_name_of_a_model_comes_before_an_alias(gateway, loader, engine):
    route = a_route("smol", engine.replica)
    loader.serve(route, aliases=[an_alias("smol")])
    answer = await fetch(gateway, "POST", CHAT, CHAT_BODY)
    assert answer.status == 200
    assert "x-served-model" not in answer.headers


async def test_unknown_model_may_have_meant_an_alias(gateway, loader):
    loader.serve(aliases=[an_alias("assistant")])
    answer = await fetch(gateway, "POST", CHAT, {**BODY, "model": "asistant"})
    assert answer.status == 404
    assert "assistant" in answer.json["error"]["message"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"prompt": '])
async def test_body_that_is_no_json_is_400(gateway, serve, counts, content):
    serve()
    answer = await fetch(gateway, "POST", "/api/models/any/generate", content)
    assert answer.status == 400
    assert not counts(7)
