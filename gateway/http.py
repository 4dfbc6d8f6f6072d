"""An HTTP request and its response, over ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import TracebackType
from typing import Any

from gateway.errors import GatewayError
from gateway.limits.rules import Limit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
Headers = Iterable[Header]

MAX_BODY_BYTES = 10 * 2**20
WATCH_AFTER_S = 0.05
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
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.response_headers: list[Header] = []  # of every response to it
        self.limits: tuple[Limit, ...] = ()  # of its caller and its model, once known
        self.recorder: ContentRecorder | None = None
        self.response_started = False
        self.has_content = False  # comments are none
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
        await self._send({**start, "headers": [*headers, *self.response_headers]})

    async def write(self, content: bytes) -> None:
        """Blocks while the client reads more slowly than the engine writes."""
        self.has_content = True
        if self.recorder is not None:
            self.recorder.add(content)
        await self._send_part(content)

    async def _send_part(self, content: bytes) -> None:
        await self._send(
            {"type": "http.response.body", "body": content, "more_body": True}
        )

    async def keep_alive(self) -> None:
        """A comment, so that no proxy cuts off a stream that waits."""
        if not self.response_started:
            await self.start_response(200, EVENT_STREAM)
        await self._send_part(b": waiting\n\n")

    async def finish(self, content: bytes = b"") -> None:
        self.response_finished = True
        if self.recorder is not None:
            self.recorder.add(content)
        await self._send({"type": "http.response.body", "body": content})

    def cancel_on_disconnect(self) -> DisconnectWatch:
        """For work that does not read the body: that has been read already."""
        return DisconnectWatch(self, self._receive)


class ContentRecorder:
    """What a client was sent, without comments, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self.is_complete = True
        self._left = max_bytes
        self._parts: list[bytes] = []

    def add(self, content: bytes) -> None:
        self._left -= len(content)
        if self._left < 0:
            self.is_complete = False
            self._parts.clear()
        else:
            self._parts.append(content)

    @property
    def content(self) -> bytes:
        return b"".join(self._parts)


class DisconnectWatch:
    """A context that ends with ClientDisconnectedError as soon as the client leaves.

    Most short requests are over before a task that watches the client would pay."""

    def __init__(self, request: Request, receive: Receive) -> None:
        self._request, self._receive = request, receive
        self._watcher: asyncio.Task[None] | None = None
        self._has_left = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer = loop.call_later(WATCH_AFTER_S, self._start, loop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._has_left and self._task is not None:
            self._task.uncancel()
            raise ClientDisconnectedError from None

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watcher = loop.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task is not None and not self._request.response_finished:
            self._has_left = True
            self._task.cancel()


def _too_large() -> GatewayError:
    return GatewayError(413, "request_too_large", {"max": MAX_BODY_BYTES})
