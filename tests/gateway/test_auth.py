import asyncio
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from gateway.routes.loader import load
from models_app.enums import RunState
from models_app.models import ApiToken
from tests.builders import a_model, a_run, a_token, a_user
from tests.gateway.client import (
    CHAT,
    CHAT_BODY,
    GENERATE,
    PROMPT,
    TOKEN,
    fetch,
)
from tests.gateway.engine import KEY


def viewer():
    return a_token(a_user("viewer"))


def operator():
    return a_token(a_user("operator"))


def admin():
    return a_token(a_user("admin"))


def superuser():
    return a_token(a_user(name="root", is_superuser=True))


def granted_directly():
    user = a_user()
    user.user_permissions.add(Permission.objects.get(codename="use_servedmodel"))
    return a_token(user)


def in_no_group():
    return a_token(a_user())


def inactive():
    return a_token(a_user("operator", is_active=False))


def expired():
    token = a_token(a_user("operator"))
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    return token


def restricted(*scopes):
    token = a_token(a_user("operator"))
    ApiToken.objects.update(scopes=list(scopes))
    return token


def for_metrics():
    return restricted("metrics")


def for_the_api():
    return restricted("read", "manage")


def for_inference():
    return restricted("inference")


def for_inference_and_metrics():
    return restricted("inference", "metrics")


def unlimited():
    token = a_token(a_user("operator"))
    ApiToken.objects.update(expiry=None)
    return token


def unknown():
    return "0" * 64


TABLE = {
    viewer: 403,
    in_no_group: 403,
    for_metrics: 403,
    for_the_api: 403,
    for_inference: 200,
    for_inference_and_metrics: 200,
    operator: 200,
    admin: 200,
    superuser: 200,
    granted_directly: 200,
    unlimited: 200,
    inactive: 401,
    expired: 401,
    unknown: 401,
}


@pytest.fixture
def token(db, engine, loader, who):
    model = a_model("smol", status="running", desired_state="running")
    a_run(model, RunState.READY, port=engine.port, engine_key=KEY)
    token = who()
    loader.table = load()
    return token


@pytest.mark.parametrize("who", TABLE, ids=lambda who: who.__name__)
async def test_permission_is_required(gateway, engine, token, who):
    requests = [
        ("POST", GENERATE, PROMPT),
        ("POST", CHAT, CHAT_BODY),
        ("POST", "/v1/completions", {"model": "smol", "prompt": "a"}),
        ("POST", "/v1/messages", {**CHAT_BODY, "max_tokens": 5}),
        ("POST", "/v1/messages/count_tokens", CHAT_BODY),
        ("POST", "/v1/responses", {"model": "smol", "input": "a"}),
        ("POST", "/v2/rerank", {"model": "smol", "query": "a", "documents": ["b"]}),
        ("POST", "/v1/score", {"model": "smol", "text_1": "a", "text_2": "b"}),
        ("POST", "/tokenize", {"model": "smol", "prompt": "a"}),
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/smol", None),
    ]
    responses = [await fetch(gateway, *request, token=token) for request in requests]
    statuses = [response.status for response in responses]
    if TABLE[who] == 200:
        # The engine has neither rerank nor score.
        assert statuses == [200] * 6 + [400] * 2 + [200] * 3
    else:
        assert set(statuses) == {TABLE[who]}
    assert len(engine.requests) == (7 if TABLE[who] == 200 else 0)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "not_authenticated"),
        ("", "not_authenticated"),
        ("Basic YTpi", "not_authenticated"),
        (TOKEN, "not_authenticated"),
        (f"Token {TOKEN}", "not_authenticated"),
        ("Bearer", "authentication_failed"),
        ("Bearer  ", "authentication_failed"),
        ("Bearer 你", "authentication_failed"),
        ("Bearer a\x00b", "authentication_failed"),
        (f"Bearer {TOKEN} x", "authentication_failed"),
        (f"Bearer {TOKEN}x", "authentication_failed"),
        (f"Bearer {'x' * 60_000}", "authentication_failed"),
    ],
)
async def test_header_without_a_known_token_is_401(gateway, header, code):
    headers = [] if header is None else [("Authorization", header)]
    native = await fetch(gateway, "POST", GENERATE, PROMPT, token=None, headers=headers)
    openai = await fetch(gateway, "POST", CHAT, CHAT_BODY, token=None, headers=headers)
    assert (native.status, openai.status) == (401, 401)
    assert native.headers["www-authenticate"] == "Bearer"
    assert native.json["code"] == code
    assert openai.json["error"]["code"] == "invalid_api_key"
    assert openai.json["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("header", [f"bearer {TOKEN}", f"BEARER   {TOKEN} "])
async def test_scheme_is_case_insensitive(gateway, header):
    headers = [("Authorization", header)]
    response = await fetch(gateway, "GET", "/v1/models", token=None, headers=headers)
    assert response.status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("X-Api-Key", TOKEN)], 200),
        ([("X-Api-Key", "wrong")], 401),
        ([("X-Api-Key", "wrong"), ("Authorization", f"Bearer {TOKEN}")], 200),
        ([("X-Api-Key", TOKEN), ("Authorization", "Bearer wrong")], 401),
    ],
)
async def test_token_may_come_as_anthropic_clients_send_it(gateway, headers, status):
    response = await fetch(gateway, "GET", "/v1/models", token=None, headers=headers)
    assert response.status == status


async def test_session_cookie_is_ignored(gateway):
    headers = [("Cookie", f"sessionid={TOKEN}")]
    response = await fetch(gateway, "GET", "/v1/models", token=None, headers=headers)
    assert response.status == 401


async def test_token_expires_without_a_reload(gateway, loader):
    loader.serve(expires_at=time.time() + 0.3)
    assert (await fetch(gateway, "GET", "/v1/models")).status == 200
    await asyncio.sleep(0.3)
    count = loader.count
    assert (await fetch(gateway, "GET", "/v1/models")).status == 401
    assert loader.count == count


async def test_forbidden_user_is_named(gateway, loader):
    loader.serve(can_use=False)
    response = await fetch(gateway, "POST", GENERATE, PROMPT)
    assert (response.status, response.json["code"]) == (403, "permission_denied")
    assert "ann" in response.json["message"]


async def test_scopes_of_a_restricted_token_are_named(gateway, loader):
    loader.serve(can_use=False, scopes=("read", "metrics"))
    response = await fetch(gateway, "GET", "/v1/models")
    assert (response.status, response.json["error"]["type"]) == (
        403,
        "permission_error",
    )
    assert response.json["error"]["message"] == (
        "This token may only be used for: reading the management API, reading /metrics."
    )


async def test_requests_are_rejected_before_the_first_successful_load(gateway, loader):
    loader.error = OSError("no database")
    response = await fetch(gateway, "POST", GENERATE, PROMPT)
    assert (response.status, response.json["code"]) == (503, "routes_unknown")
    assert response.headers["retry-after"] == "5"
