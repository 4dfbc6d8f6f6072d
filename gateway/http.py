"""An HTTP request and its response, over ASGI."""

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
    # Otherwise proxies buffer tokens.
    (b"x-accel-buffering", b"no"),
)


class ClientDisconnectedError(Exception):
    pass


class Request:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.response_started = False
        self.response_finished = False
        self._receive = receive
        self._send = send

    async def body(self) -> bytes:
        """Raises GatewayError request_too_large, ClientDisconnectedError."""
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:18]) > MAX_BODY_BYTES:
            raise _too_large()
        parts, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > MAX_BODY_BYTES:
                raise _too_large()
        return b"".join(parts)

    async def respond(self, status: int, content: bytes, headers: Headers = ()) -> None:
        length = (b"content-length", b"%d" % len(content))
        await self.start_response(status, [JSON, length, *headers])
        await self.finish(b"" if self.method == "HEAD" else content)

    async def respond_empty(self, headers: Headers) -> None:
        await self.start_response(204, headers)
        await self.finish()

    async def respond_json(self, data: object) -> None:
        await self.respond(200, json.dumps(data, ensure_ascii=False).encode())

    async def start_response(self, status: int, headers: Headers) -> None:
        self.response_started = True
        start = {"type": "http.response.start", "status": status}
        await self._send({**start, "headers": list(headers)})

    async def write(self, content: bytes) -> None:
        """Blocks while the client reads more slowly than the engine writes."""
        await self._send(
            {"type": "http.response.body", "body": content, "more_body": True}
        )

    async def finish(self, content: bytes = b"") -> None:
        self.response_finished = True
        await self._send({"type": "http.response.body", "body": content})

    async def cancel_on_disconnect(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work, which must not read the body: that has been read already. Raises
        ClientDisconnectedError as soon as the client leaves."""
        worker = asyncio.ensure_future(work)
        watcher = asyncio.ensure_future(self._wait_for_disconnect())
        try:
            await asyncio.wait({worker, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if not worker.done() and not self.response_finished:
                raise ClientDisconnectedError
            await worker
        finally:
            watcher.cancel()
            worker.cancel()
            await asyncio.gather(worker, watcher, return_exceptions=True)

    async def _wait_for_disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _too_large() -> GatewayError:
    return GatewayError(413, "request_too_large", {"max": MAX_BODY_BYTES})
