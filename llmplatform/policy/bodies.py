"""Refuse request bodies before they are stored: Django stores a whole body before it
authenticates the request."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from gateway import urls
from gateway.errors import GatewayError
from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import (
    App,
    Header,
    Headers,
    first_headers,
    has_started,
    refuse,
    values,
)
from llmplatform.policy.credentials import is_known


def limit_bodies(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        # The gateway authenticates before it reads, without the database.
        is_trusted = urls.is_gateway_path(scope["path"])
        if error := await refusal(scope["headers"], is_trusted):
            return await refuse(scope, receive, send, error)
        if b"transfer-encoding" in first_headers(scope):
            return await _forward(app, scope, receive, send)
        return await app(scope, receive, send)

    return application


async def refusal(
    headers: Iterable[Header], is_trusted: bool = False
) -> GatewayError | None:
    """Why a body with these headers will not be read. is_trusted: whoever sends it may
    send a large one."""
    headers = list(headers)
    encoding = next(values(headers, b"content-encoding"), b"identity").strip().lower()
    if encoding not in (b"identity", b""):
        return GatewayError(
            415,
            "content_encoding",
            {"value": encoding.decode("latin-1")},
            extra_headers=[(b"accept-encoding", b"identity")],
        )
    if (length := _length(headers)) > settings.MAX_BODY_BYTES:
        return too_large()
    is_large = length < 0 or length > settings.UNKNOWN_CLIENT_BODY_BYTES
    if is_large and not is_trusted and not await is_known(headers):
        return GatewayError(401, "sign_in_before_body")
    return None


def too_large() -> GatewayError:
    return GatewayError(413, "request_too_large", {"max": settings.MAX_BODY_BYTES})


def _length(headers: Headers) -> int:
    """-1 for a chunked body."""
    if any(values(headers, b"transfer-encoding")):
        return -1
    declared = next(values(headers, b"content-length"), b"0")
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
