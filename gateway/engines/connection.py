"""One HTTP/1.1 connection to an engine, on which requests follow each other.

Half of a relayed request's time was the HTTP client: this one does only what engines
need. llhttp, as in Node.js, reads the responses.
"""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

MAX_HEAD_BYTES = 64 * 1024
# Beyond it the engine has to wait until the client has read.
MAX_BUFFERED_BYTES = 256 * 1024


class EngineUnreachableError(Exception):
    """No response, one that broke off, or one that is not HTTP."""


class EngineTimeoutError(Exception):
    """The engine sent nothing for too long."""


class Connection(asyncio.Protocol):
    """status, content_type: of the current response, after request(). has_received:
    whether anything of it has arrived."""

    def __init__(self, read_timeout_s: float) -> None:
        self.status = 0
        self.content_type = b""
        self.has_received = False
        self.is_open = False
        self._loop = asyncio.get_running_loop()
        self._read_timeout_s = read_timeout_s
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._parts: list[bytes] = []
        self._buffered = self._head_bytes = 0
        self._has_head = self._has_length = self._is_paused = False
        self._is_complete = True
        self._keeps_alive = False

    async def request(self, content: bytes) -> None:
        """Send a request, head and body, and wait for the head of its response. Raises
        EngineUnreachableError, EngineTimeoutError."""
        self.status, self.content_type, self.has_received = 0, b"", False
        self._has_head = self._has_length = self._is_complete = False
        self._head_bytes = 0
        if not self.is_open:
            raise EngineUnreachableError
        self._transport.write(content)
        while not self._has_head:
            await self._wait()

    async def read(self) -> bytes:
        """What has arrived of the body, at least a byte; empty at its end. Raises
        EngineUnreachableError, EngineTimeoutError."""
        while not self._parts:
            if self._is_complete:
                return b""
            await self._wait()
        content = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._buffered = 0
        if self._is_paused and self.is_open:
            self._is_paused = False
            self._transport.resume_reading()
        return content

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow: this one has its whole response."""
        return (
            self.is_open and self._is_complete and not self._parts and self._keeps_alive
        )

    def abort(self) -> None:
        """The engine stops generating."""
        self.is_open = False
        self._transport.abort()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(self._read_timeout_s, self._fail_with_timeout)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
        if self._error is not None and not self._parts:
            raise self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._wake()

    def _fail_with_timeout(self) -> None:
        self._fail(EngineTimeoutError())

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one in all but its base class.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        self.has_received = True
        if self._is_complete:
            self.abort()  # nobody sent a request for it
            return
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break_off(error)
        if not self._has_head and self._head_bytes > MAX_HEAD_BYTES:
            self._break_off(ValueError("the head of the response is too long"))
        self._wake()

    def _break_off(self, cause: Exception) -> None:
        error = EngineUnreachableError(str(cause))
        error.__cause__ = cause
        self._fail(error)
        self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self._has_head and not self._has_length and error is None:
            self._is_complete = True  # a body without a length ends here
        if not self._is_complete:
            lost = EngineUnreachableError("the engine closed the connection")
            lost.__cause__ = error
            self._fail(lost)
        self._wake()

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-type":
            self.content_type = value
        elif name in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._keeps_alive = self._parser.should_keep_alive()
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._buffered += len(body)
        if self._buffered > MAX_BUFFERED_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        self._is_complete = True
