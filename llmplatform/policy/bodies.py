"""Refuse request bodies before they are stored: Django stores a whole body before it
authenticates the request."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from gateway import urls
from gateway.errors import GatewayError
from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import App, first_headers, has_started, refuse
from llmplatform.policy.credentials import is_known


def limit_bodies(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        headers = first_headers(scope)
        # The gateway authenticates before it reads, without the database.
        is_trusted = urls.is_gateway_path(scope["path"])
        error = _refusal(headers)
        if error is None and not is_trusted:
            error = await _refusal_of_unknown(headers)
        if error:
            return await refuse(scope, receive, send, error)
        if b"transfer-encoding" in headers:
            return await _forward(app, scope, receive, send)
        return await app(scope, receive, send)

    return application


async def refusal(headers: Mapping[bytes, bytes]) -> GatewayError | None:
    """Why a body with these headers will not be read. headers: names in lower case."""
    return _refusal(headers) or await _refusal_of_unknown(headers)


def _refusal(headers: Mapping[bytes, bytes]) -> GatewayError | None:
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b""):
        return GatewayError(
            415,
            "content_encoding",
            {"value": encoding.decode("latin-1")},
            extra_headers=[(b"accept-encoding", b"identity")],
        )
    coding = headers.get(b"transfer-encoding", b"chunked").strip().lower()
    if coding != b"chunked":
        return GatewayError(
            501, "transfer_encoding", {"value": coding.decode("latin-1")}
        )
    return too_large() if _length(headers) > settings.MAX_BODY_BYTES else None


async def _refusal_of_unknown(headers: Mapping[bytes, bytes]) -> GatewayError | None:
    """Only those who are known may send large bodies."""
    length = _length(headers)
    is_large = length < 0 or length > settings.UNKNOWN_CLIENT_BODY_BYTES
    if is_large and not await is_known(headers):
        return GatewayError(401, "sign_in_before_body")
    return None


def too_large() -> GatewayError:
    return GatewayError(413, "request_too_large", {"max": settings.MAX_BODY_BYTES})


def _length(headers: Mapping[bytes, bytes]) -> int:
    """-1 for a chunked body."""
    if b"transfer-encoding" in headers:
        return -1
    declared = headers.get(b"content-length", b"0")
    return int(declared[:18]) if declared.isdigit() else 0


async def _forward(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """A chunked body that exceeds the limit looks to the application like a client that
    has disconnected. Servers cut other bodies at the length they declare."""
    received = 0

    async def count_received() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        is_within = received <= settings.MAX_BODY_BYTES
        return message if is_within else {"type": "http.disconnect"}

    await app(scope, count_received, send)
    if received > settings.MAX_BODY_BYTES and not has_started(scope):
        await refuse(scope, receive, send, too_large())
