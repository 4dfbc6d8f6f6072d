"""CORS: pages of the listed origins may call the APIs, with a token. Cookies are not
accepted from there, so that no other site can act as the user who visits it."""

from __future__ import annotations

from django.conf import settings

from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import (
    App,
    Headers,
    header,
    is_api_path,
    on_response,
    values,
    with_headers,
)

ANY = "*"
METHODS = b"GET, POST, PUT, PATCH, DELETE"
EXPOSED = (
    b"X-Request-Id, Retry-After, Content-Disposition, X-Served-Model, X-Cache,"
    b" X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests,"
    b" X-RateLimit-Reset-Requests, X-RateLimit-Limit-Tokens,"
    b" X-RateLimit-Remaining-Tokens, X-RateLimit-Reset-Tokens"
)
MAX_AGE_S = b"600"


def allow_origins(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        allowed = settings.CORS_ORIGINS
        if not allowed or scope["type"] != "http" or not is_api_path(scope["path"]):
            await app(scope, receive, send)
            return
        origin = header(scope, b"origin")
        is_allowed = ANY in allowed or origin.decode("latin-1") in allowed
        granted = _granted(origin) if origin and is_allowed else []

        def add(message: Message) -> None:
            old = message["headers"]
            vary = b", ".join([*values(old, b"vary"), b"Origin"])
            message["headers"] = with_headers(old, (b"vary", vary), *granted)

        on_response(scope, add)
        if granted and _is_preflight(scope):
            await _answer(scope, send)
        else:
            await app(scope, receive, send)

    return application


def _is_preflight(scope: Scope) -> bool:
    wanted = header(scope, b"access-control-request-method")
    return scope["method"] == "OPTIONS" and bool(wanted)


def _granted(origin: bytes) -> Headers:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED),
    ]


async def _answer(scope: Scope, send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", MAX_AGE_S),
    ]
    if wanted := header(scope, b"access-control-request-headers"):
        headers.append((b"access-control-allow-headers", wanted))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
