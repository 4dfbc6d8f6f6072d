"""The server of the web port: daphne, with limits on header, body, time, connections.

daphne stores a whole body before it calls the application, so a body that the
application would refuse is refused here, before it is read.
"""

# ruff: noqa: I001 -- daphne installs the event loop's reactor, before Twisted does.
from __future__ import annotations

import asyncio
from typing import Any

from daphne.server import Server
from daphne.endpoints import build_endpoint_description_strings
from daphne.http_protocol import WebRequest
from daphne.ws_protocol import WebSocketProtocol
from twisted.web import http

from django.conf import settings

from gateway.errors import GatewayError
from llmplatform.asgi import application
from llmplatform.policy.base import first_of
from llmplatform.policy.bodies import refusal, too_large
from llmplatform.policy.failures import failure_of
from llmplatform.servers import refusals
from llmplatform.servers.addresses import Addresses, too_many

addresses = Addresses()


class Channel(http.HTTPChannel):  # type: ignore[misc]
    """One connection. Method names are Twisted's."""

    MAX_LENGTH = settings.MAX_HEADER_BYTES  # of a line
    totalHeadersSize = 2 * MAX_LENGTH  # never reached: lineReceived refuses earlier
    deadline: Any = None
    seconds = 0.0
    is_refused = False
    is_counted = False

    def connectionMade(self) -> None:
        self.requestFactory = Request
        super().connectionMade()
        self.is_counted = addresses.enter(self._address)
        self._set_deadline(settings.HEADER_SECONDS)
        if not self.is_counted:
            self.refuse(too_many())

    def connectionLost(self, reason: Any) -> None:
        self._clear_deadline()
        if self.is_counted:
            addresses.leave(self._address)
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        if self.is_refused:
            return
        if self.deadline is None and not self._handlingRequest:
            self._set_deadline(settings.HEADER_SECONDS)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if self._receivedHeaderSize + len(line) > self.MAX_LENGTH:
            self.lineLengthExceeded(line)
        elif not self.is_refused:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(refusals.header_too_large(self.MAX_LENGTH))

    def rawDataReceived(self, data: bytes) -> None:
        if not self.is_refused:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:
        self._set_deadline(settings.BODY_SECONDS)
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        if not self.is_refused:
            self._clear_deadline()
            super().allContentReceived()

    def _send100Continue(self) -> None:
        if not self.is_refused:
            super()._send100Continue()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(refusals.malformed())

    def refuse(self, error: GatewayError) -> None:
        """Anything else that the client sends is read and dropped."""
        if self.is_refused:
            return
        self.is_refused = True
        self._clear_deadline()
        self.setTimeout(None)
        self._networkProducer.unregisterProducer()
        self._networkProducer.resumeProducing()
        self.transport.write(refusals.to_bytes(error, getattr(self, "_path", b"")))
        self.transport.loseWriteConnection()
        self.callLater(refusals.LINGER_SECONDS, self.transport.abortConnection)

    @property
    def _address(self) -> str:
        return str(self.transport.getPeer().host)

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self.seconds = seconds
        self.deadline = self.callLater(seconds, self._time_out)

    def _clear_deadline(self) -> None:
        if self.deadline is not None and self.deadline.active():
            self.deadline.cancel()
        self.deadline = None

    def _time_out(self) -> None:
        if self.requests or self._buffer:
            self.refuse(refusals.timed_out(self.seconds))
        else:
            self.loseConnection()


class Request(WebRequest):  # type: ignore[misc]
    size = 0
    is_complete = False

    def gotLength(self, length: int | None) -> None:
        """The header is complete, and length is None for a chunked body."""
        super().gotLength(length)
        if length != 0:
            self.transport.pauseProducing()
            checking = asyncio.ensure_future(self._check())
            checking.add_done_callback(lambda task: task.exception())

    def handleContentChunk(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > settings.MAX_BODY_BYTES:
            self.channel.refuse(too_large())
        elif not self.channel.is_refused:
            try:
                super().handleContentChunk(data)
            except OSError as error:  # daphne stores it in a file
                self.channel.refuse(failure_of(error))

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """daphne's page has no place in an API."""
        code = "internal_error" if status >= 500 else "malformed_request"
        self.channel.refuse(GatewayError(status, code))

    def process(self) -> Any:
        """The body is complete. A small one may be before it has been checked: then the
        application checks it."""
        self.is_complete = True
        return super().process()

    async def _check(self) -> None:
        channel, transport = self.channel, self.transport
        headers = [
            (name.lower(), value)
            for name, values in self.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        try:
            error = await refusal(first_of(headers))
        except Exception as failure:
            error = failure_of(failure)
        transport.resumeProducing()
        if error and not self.is_complete:
            channel.refuse(error)


class WebSocket(WebSocketProtocol):  # type: ignore[misc]
    """Counted as the connection that it was."""

    def connectionLost(self, reason: Any) -> None:
        addresses.leave(str(self.transport.getPeer().host))
        super().connectionLost(reason)


def run() -> None:
    def use_limits() -> None:
        server.http_factory.protocol = Channel
        server.http_factory.timeOut = settings.KEEP_ALIVE_SECONDS
        server.ws_factory.protocol = WebSocket

    server = Server(
        application,
        endpoints=build_endpoint_description_strings(settings.BIND, settings.WEB_PORT),
        ready_callable=use_limits,
        server_name="",
        verbosity=0,
    )
    server.run()
