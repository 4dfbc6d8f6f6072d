import re

import pytest
from django.test import Client

from llmplatform.policy.csp import NAME, protect_pages
from tests.builders import a_user
from tests.llmplatform.policy.asgi import call

INLINE = re.compile(r"<script(?![^>]*(?:src=|application/json))|\son\w+=|javascript:")


def page(content_type, *headers):
    async def application(scope, receive, send):
        sent = [(b"content-type", content_type.encode()), *headers]
        await send({"type": "http.response.start", "status": 200, "headers": sent})
        await send({"type": "http.response.body", "body": b""})

    return protect_pages(application)


async def policy(app, host="llm.example.com:8443"):
    response = await call(app, headers=[("Host", host)])
    found = response.headers.get(NAME.decode())
    return found and dict(part.split(" ", 1) for part in found.split("; "))


async def test_pages_run_no_script_but_those_of_the_site():
    got = await policy(page("text/html; charset=utf-8"))
    assert got["default-src"] == "'self'"
    assert "unsafe-inline" not in got["script-src"]
    assert "http" not in got["script-src"]
    assert got["object-src"] == got["base-uri"] == got["frame-ancestors"] == "'none'"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.b:1", "'self' ws://a.b:1 wss://a.b:1"),
        ("[::1]:3000", "'self' ws://[::1]:3000 wss://[::1]:3000"),
        ("a; script-src *", "'self'"),
    ],
)
async def test_websockets_of_the_same_host_may_be_opened(host, expected):
    assert (await policy(page("text/html"), host))["connect-src"] == expected


async def test_other_responses_and_policies_of_their_own_are_left_alone():
    assert await policy(page("application/json")) is None
    own = (NAME, b"default-src 'none'")
    assert await policy(page("text/html", own)) == {"default-src": "'none'"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/models_app/servedmodel/add/", "/docs", "/api/models"]
)
def test_pages_have_no_inline_script(path):
    client = Client(HTTP_ACCEPT="text/html")
    client.force_login(a_user("admin", is_staff=True, is_superuser=True))
    html = client.get(path).content.decode()
    assert INLINE.findall(html) == []
