from datetime import UTC

import pytest

from gateway.app import SERVED_MODEL
from gateway.cache.responses import HEADER
from gateway.limits.rules import Limit, Windows, claim, headers
from llmplatform.policy.cors import allow_origins
from tests.llmplatform.policy.asgi import call, hello

APP = "https://app.example.com"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


async def request(path="/v1/models", method="GET", **headers):
    sent = list({"Origin": APP, **headers}.items())
    return await call(allow_origins(hello), path, headers=sent, method=method)


def granted(response):
    return response.headers.get("access-control-allow-origin")


@pytest.mark.parametrize(
    ("allowed", "path", "expected"),
    [
        ([], "/v1/models", None),
        (["https://other.example.com"], "/v1/models", None),
        ([APP], "/v1/models", APP),
        ([APP], "/api/models", APP),
        ([APP], "/admin/", None),
        (["*"], "/v1/models", APP),
    ],
)
async def test_listed_origins_may_read_responses_of_the_apis(
    settings, allowed, path, expected
):
    settings.CORS_ORIGINS = allowed
    response = await request(path)
    assert (response.status, response.body) == (200, b"hello")
    assert granted(response) == expected
    assert "access-control-allow-credentials" not in response.headers


async def test_pages_may_read_the_headers_of_the_gateway(settings):
    settings.CORS_ORIGINS = [APP]
    limit = Limit(key="1", subject="user", requests_per_minute=1, tokens_per_day=1)
    needed = claim([limit], Windows(UTC), 0, 1)
    sent = {name for name, _ in headers(needed, [0, 0], 0)} | {HEADER, SERVED_MODEL}
    exposed = (await request()).headers["access-control-expose-headers"]
    assert {name.decode() for name in sent} <= set(exposed.lower().split(", "))


async def test_caches_keep_responses_apart_by_origin(settings):
    settings.CORS_ORIGINS = [APP]
    assert (await request()).headers["vary"] == "Origin"
    assert (await request(Origin="https://x.example.com")).headers["vary"] == "Origin"


async def test_preflight_is_answered_without_a_token(settings):
    settings.CORS_ORIGINS = [APP]
    response = await request("/v1/chat/completions", "OPTIONS", **PREFLIGHT)
    assert (response.status, response.body, granted(response)) == (204, b"", APP)
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"]
    assert allowed == "authorization,content-type"


@pytest.mark.parametrize(
    ("origins", "headers"),
    [([], PREFLIGHT), (["https://x.com"], PREFLIGHT), ([APP], {})],
)
async def test_other_options_requests_reach_the_application(settings, origins, headers):
    settings.CORS_ORIGINS = origins
    response = await request("/v1/models", "OPTIONS", **headers)
    assert response.body == b"hello"
