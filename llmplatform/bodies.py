"""A limit for bodies sent to Django, which would write all of one to disk before it
asks who sent it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from common.messages import render

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def limited(app: App, max_bytes: int) -> App:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) <= max_bytes:
            await _counted(app, max_bytes, scope, receive, send)
        else:
            await _refuse(send, max_bytes)

    return answer


async def _counted(
    app: App, max_bytes: int, scope: Scope, receive: Receive, send: Send
) -> None:
    """For bodies of unannounced length: past the limit, the client seems to be gone."""
    seen, started = 0, False

    async def counting() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return message if seen <= max_bytes else {"type": "http.disconnect"}

    async def noting(message: Message) -> None:
        nonlocal started
        started = True
        await send(message)

    await app(scope, counting, noting)
    if seen > max_bytes and not started:
        await _refuse(send, max_bytes)


async def _refuse(send: Send, max_bytes: int) -> None:
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
