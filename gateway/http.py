"""One HTTP request and its answer, in ASGI's messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any

from gateway.errors import GatewayError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

MAX_BODY_BYTES = 10 * 2**20
JSON = (b"content-type", b"application/json")
EVENT_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies would otherwise hold tokens back.
    (b"x-accel-buffering", b"no"),
)


class ClientGoneError(Exception):
    pass


class Exchange:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.started = False
        self.finished = False
        self._receive = receive
        self._send = send

    async def body(self) -> bytes:
        """Raises GatewayError request_too_large, ClientGoneError."""
        announced = self.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced[:18]) > MAX_BODY_BYTES:
            raise _too_large()
        parts, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > MAX_BODY_BYTES:
                raise _too_large()
        return b"".join(parts)

    async def answer(self, status: int, content: bytes, headers: Headers = ()) -> None:
        length = (b"content-length", b"%d" % len(content))
        await self.start(status, [JSON, length, *headers])
        await self.finish(b"" if self.method == "HEAD" else content)

    async def answer_nothing(self, headers: Headers) -> None:
        await self.start(204, headers)
        await self.finish()

    async def answer_json(self, content: object) -> None:
        await self.answer(200, json.dumps(content, ensure_ascii=False).encode())

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        start = {"type": "http.response.start", "status": status}
        await self._send({**start, "headers": list(headers)})

    async def write(self, content: bytes) -> None:
        """Waits while the client is slower than the engine."""
        await self._send(
            {"type": "http.response.body", "body": content, "more_body": True}
        )

    async def finish(self, content: bytes = b"") -> None:
        self.finished = True
        await self._send({"type": "http.response.body", "body": content})

    async def unless_gone(self, work: Coroutine[Any, Any, None]) -> None:
        """Cancels work as soon as the client leaves; raises ClientGoneError then. The
        body must have been read."""
        worker = asyncio.ensure_future(work)
        watcher = asyncio.ensure_future(self._leaving())
        try:
            await asyncio.wait({worker, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if not worker.done() and not self.finished:
                raise ClientGoneError
            await worker
        finally:
            watcher.cancel()
            worker.cancel()
            await asyncio.gather(worker, watcher, return_exceptions=True)

    async def _leaving(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _too_large() -> GatewayError:
    return GatewayError(413, "request_too_large", {"max": MAX_BODY_BYTES})
