"""The server of the API port: uvicorn, with limits on header, time and connections."""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial
from ipaddress import ip_address

import uvicorn
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)
from uvicorn.supervisors import Multiprocess

from gateway.errors import GatewayError
from llmplatform.asgi import application
from llmplatform.servers import refusals
from llmplatform.servers.addresses import Addresses, too_many
from llmplatform.servers.coalescing import CoalescingTransport
from llmplatform.servers.workers import application_of

GRACEFUL_SECONDS = 5
addresses = Addresses()


class Http(HttpToolsProtocol):
    """httptools has no limits of its own: it collects a header, or the trailer of a
    chunked body, however long that is."""

    # Read once: access to Django's settings takes a microsecond.
    header_seconds = settings.HEADER_SECONDS
    body_seconds = settings.BODY_SECONDS
    max_header_bytes = settings.MAX_HEADER_BYTES

    deadline: asyncio.TimerHandle | None = None
    is_refused = False
    is_counted = False
    unparsed = 0
    # What the client may take for what is expected of it; 0: nothing is.
    seconds = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(CoalescingTransport(transport, self.loop))  # type: ignore[arg-type]
        self.is_counted = addresses.enter(self._address)
        self._expect(self.header_seconds)
        self._set_deadline()
        if not self.is_counted:
            self._refuse(too_many())

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(0)
        # Its timer would keep what belongs to the connection for KEEP_ALIVE_SECONDS.
        self._unset_keepalive_if_required()
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_refused:
            return
        if not self.seconds and not self._is_serving:
            self._expect(self.header_seconds)
        self.unparsed += len(data)
        super().data_received(data)
        if self.is_refused:
            return
        if self.unparsed > self.max_header_bytes:
            self._refuse(refusals.header_too_large(self.max_header_bytes))
        elif self.seconds and self.deadline is None:
            self._set_deadline()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.unparsed = 0
        if not self.seconds:
            self._expect(self.header_seconds)

    def on_headers_complete(self) -> None:
        size = sum(len(name) + len(value) for name, value in self.headers)
        if size + len(self.url) > self.max_header_bytes:
            self._refuse(refusals.header_too_large(self.max_header_bytes))
        if self.is_refused:
            return
        self.unparsed = 0
        self._expect(self.body_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.unparsed = 0
        if not self.is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self.unparsed = 0
        if not self.is_refused:
            self._expect(0)
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._expect(0)
        self._leave()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        self._refuse(refusals.malformed())

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def _is_serving(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect(self, seconds: float) -> None:
        """The timer is set after all that has arrived is parsed: most requests are
        complete then and need none."""
        self.seconds = seconds
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _set_deadline(self) -> None:
        self.deadline = self.loop.call_later(self.seconds, self._time_out)

    def _time_out(self) -> None:
        is_answered = self.cycle is not None and self.cycle.response_started
        if is_answered or (not self.unparsed and not self._is_serving):
            self.transport.close()
        else:
            self._refuse(refusals.timed_out(self.seconds))

    def _refuse(self, error: GatewayError) -> None:
        """Anything else that the client sends is read and dropped."""
        self.is_refused = True
        self._expect(0)
        self._unset_keepalive_if_required()
        if self._is_serving:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        self.transport.write(refusals.to_bytes(error, getattr(self, "url", b"")))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(refusals.LINGER_SECONDS, self.transport.close)

    def _leave(self) -> None:
        if self.is_counted:
            addresses.leave(self._address)
        self.is_counted = False


class WebSocket(WebSocketsSansIOProtocol):
    """Counted like the connection that it was."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.is_counted = addresses.enter(self._address)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.is_counted:
            addresses.leave(self._address)
        super().connection_lost(exc)

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""


def listen(bind: str, port: int) -> socket.socket:
    """asyncio would bind [::] to IPv6 alone; Twisted binds it to both."""
    address = ip_address(bind.strip("[]"))
    is_ipv6 = address.version == 6
    return socket.create_server(
        (str(address), port),
        family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
        backlog=2048,
        dualstack_ipv6=is_ipv6 and address.is_unspecified,
    )


def config() -> uvicorn.Config:
    workers = settings.API_PROCESSES
    app = partial(application_of, os.getpid()) if workers > 1 else application
    return uvicorn.Config(
        app,
        factory=workers > 1,
        workers=workers,
        # By name: other processes import them after the application.
        http=f"{__name__}:Http",
        ws=f"{__name__}:WebSocket",
        log_config=None,
        access_log=False,
        server_header=False,
        # TRUST_PROXY decides, and only about the scheme.
        proxy_headers=False,
        timeout_keep_alive=settings.KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


def run() -> None:
    listener = listen(settings.BIND, settings.API_PORT)
    if settings.API_PROCESSES > 1:
        Multiprocess(config(), sockets=[listener]).run()
    else:
        uvicorn.Server(config()).run(sockets=[listener])
