"""Limit the size of request bodies, because Django stores a whole body before it
authenticates the request."""

from __future__ import annotations

import json

from common.messages import render
from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import App


def limit_bodies(app: App, max_bytes: int) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        content_length = headers.get(b"content-length", b"0")
        if content_length.isdigit() and int(content_length) <= max_bytes:
            await _forward(app, max_bytes, scope, receive, send)
        else:
            await _reject(send, max_bytes)

    return application


async def _forward(
    app: App, max_bytes: int, scope: Scope, receive: Receive, send: Send
) -> None:
    """A body without Content-Length that exceeds the limit looks to the application
    like a client that has disconnected."""
    received, has_started = 0, False

    async def count_received() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        return message if received <= max_bytes else {"type": "http.disconnect"}

    async def note_start(message: Message) -> None:
        nonlocal has_started
        has_started = True
        await send(message)

    await app(scope, count_received, note_start)
    if received > max_bytes and not has_started:
        await _reject(send, max_bytes)


async def _reject(send: Send, max_bytes: int) -> None:
    text = render("request_too_large", {"max": max_bytes})
    error = {"code": "request_too_large", "message": text, "errors": []}
    content = json.dumps(error).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": content})
