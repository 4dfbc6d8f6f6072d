"""Tokens that may use some models and no others."""

import pytest

from tests.gateway.client import CHAT, CHAT_BODY, PROMPT, a_route, an_alias, fetch
from tests.gateway.test_aliases import REQUESTS


def refused(answer):
    error = answer.json.get("error", answer.json)
    code = error.get("code", "not_found")
    return answer.status == 404 and code in ("model_not_found", "not_found")


@pytest.fixture
def serve(loader, engine, other_engine):
    """Models "smol" (7, also "small") and "big" (8); aliases "any" of both and "huge"
    of "big"."""

    def serve(models):
        smol = a_route("smol", engine.replica, aliases=("small",))
        big = a_route("big", other_engine.replica, model_id=8)
        aliases = [an_alias("any", smol, big), an_alias("huge", big), an_alias("empty")]
        loader.serve(smol, big, aliases=aliases, models=models)

    return serve


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (None, ["any", "big", "empty", "huge", "small", "smol"]),
        ({7, 8}, ["any", "big", "huge", "small", "smol"]),
        ({7}, ["any", "small", "smol"]),
        ({8}, ["any", "big", "huge"]),
        ({9}, []),
        (set(), []),
    ],
)
async def test_only_allowed_models_exist(gateway, serve, models, names):
    serve(models if models is None else frozenset(models))
    listed = (await fetch(gateway, "GET", "/v1/models")).json["data"]
    assert [each["id"] for each in listed] == names
    for name in ("any", "big", "empty", "huge", "small", "smol"):
        shown = await fetch(gateway, "GET", f"/v1/models/{name}")
        assert (shown.status == 200) == (name in names)
        assert refused(shown) == (name not in names)


@pytest.mark.parametrize(("path", "body"), REQUESTS)
@pytest.mark.parametrize("model", ["any", "big", "smol", "small", "7", "8"])
async def test_every_endpoint_serves_only_allowed_models(
    gateway, serve, other_engine, path, body, model
):
    serve(frozenset({7}))
    wanted = {**body, "model": model} if "model" in body else body
    answer = await fetch(gateway, "POST", path.replace("any", model), wanted)
    if model in ("big", "8"):
        assert refused(answer)
    else:
        assert answer.status == 200
    assert not other_engine.requests


async def test_not_allowed_reads_as_unknown(gateway, serve):
    serve(frozenset({7}))
    errors = [
        (await fetch(gateway, "POST", f"/api/models/{name}/generate", PROMPT)).content
        for name in ("big", "xyz")
    ]
    assert errors[0].replace(b"big", b"xyz") == errors[1]


@pytest.mark.parametrize(("typed", "suggests"), [("smoll", True), ("bigg", False)])
async def test_only_allowed_models_are_suggested(gateway, serve, typed, suggests):
    serve(frozenset({7}))
    answer = await fetch(gateway, "POST", CHAT, {**CHAT_BODY, "model": typed})
    assert answer.status == 404
    assert ("Did you mean" in answer.json["error"]["message"]) == suggests


async def test_alias_falls_back_to_allowed_models_only(
    gateway, serve, engine, other_engine
):
    engine.script.fails = "at once"
    serve(frozenset({7}))
    answer = await fetch(gateway, "POST", CHAT, {**CHAT_BODY, "model": "any"})
    assert answer.status == 502
    assert not other_engine.requests
