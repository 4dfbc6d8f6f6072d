"""The addresses that notifications may go to, and connections to them. Pure.

A name is resolved once, and what was checked is what the connection goes to: a DNS
server that answers differently a moment later changes nothing. All that one attempt
does ends within SECONDS, however slowly its peer responds.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from time import monotonic
from types import TracebackType
from typing import Any

import psutil

from common.network.addresses import Address, is_public, of_socket, shown

SECONDS = 15.0

# As getaddrinfo returns it
Found = tuple[Any, Any, Any, str, Any]
Lookup = Callable[..., Sequence[Found]]


class Failed(Exception):
    """An attempt failed. params: values for the message, never a secret or what the
    peer responded. passing: another attempt may succeed. status: of the response.
    wait_s: how long the receiver asks to wait."""

    def __init__(
        self,
        code: str,
        *,
        passing: bool = False,
        status: int | None = None,
        wait_s: float = 0.0,
        **params: object,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.params = params if status is None else {**params, "status": status}
        self.passing = passing
        self.response_status = status
        self.wait_s = wait_s


class Policy:
    """networks: admitted although they are not public, such as 10.1.2.0/24. A name is
    refused if any of its addresses is."""

    def __init__(
        self, networks: Sequence[str], lookup: Lookup = socket.getaddrinfo
    ) -> None:
        self.networks = [ip_network(text) for text in networks]
        self.lookup = lookup

    def admits(self, address: Address) -> bool:
        """This machine's own addresses are refused too: its services listen there."""
        if any(address in network for network in self.networks):
            return True
        return is_public(address) and address not in own_addresses()

    def check(self, host: str, port: int) -> None:
        """host: an address. Raises Failed."""
        address = ip_address(host.partition("%")[0])
        if not self.admits(address):
            raise Failed("delivery_address_refused", address=shown(address, port))

    def resolve(self, host: str, port: int, seconds: float = SECONDS) -> list[Found]:
        """Raises Failed or TimeoutError."""
        found = self._look_up(host, port, seconds)
        if isinstance(found, Exception) or not found:
            raise Failed("delivery_host_unknown", passing=True, host=host)
        for each in found:
            self.check(str(of_socket(each[4])), port)
        return list(found)

    def _look_up(
        self, host: str, port: int, seconds: float
    ) -> Sequence[Found] | Exception:
        """In a thread of its own: a resolver cannot be interrupted."""
        answers: queue.SimpleQueue[Sequence[Found] | Exception] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                answers.put(self.lookup(host, port, type=socket.SOCK_STREAM))
            except (OSError, UnicodeError) as error:
                answers.put(error)

        threading.Thread(target=look_up, daemon=True).start()
        try:
            return answers.get(timeout=max(0.0, seconds))
        except queue.Empty:
            raise TimeoutError from None


def own_addresses() -> set[Address]:
    return {
        ip_address(each.address.partition("%")[0])
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family in (socket.AF_INET, socket.AF_INET6)
    }


class Attempt:
    """Errors of its connections leave it as Failed."""

    def __init__(self, policy: Policy, seconds: float = SECONDS) -> None:
        self.policy = policy
        self.seconds = seconds
        self.ends_at = monotonic() + seconds
        self.host = ""
        self.is_over = False
        self._connections: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    @property
    def remaining(self) -> float:
        return max(0.01, self.ends_at - monotonic())

    def connect(self, host: str, port: int) -> socket.socket:
        """Raises Failed or OSError."""
        self.host = host.strip("[]")
        error: OSError = ConnectionRefusedError()
        for family, kind, protocol, _, sockaddr in self.policy.resolve(
            self.host, port, self.remaining
        ):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(self.remaining)
                connection.connect(sockaddr)
            except OSError as failed:
                connection.close()
                error = failed
                continue
            # A duplicate, because TLS takes over the descriptor.
            self._connections.append(connection.dup())
            if self.is_over:
                self._end()
            return connection
        raise error

    def failure_of(self, error: BaseException) -> Failed:
        """What an error of a connection means."""
        host = self.host
        if isinstance(error, Failed):
            return error
        if self.is_over or isinstance(error, TimeoutError):
            seconds = round(self.seconds)
            return Failed("delivery_timed_out", passing=True, host=host, max=seconds)
        if isinstance(error, ssl.SSLError):
            detail = getattr(error, "verify_message", "") or error.reason
            return Failed("delivery_tls_failed", passing=True, host=host, detail=detail)
        detail = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        return Failed("delivery_unreachable", passing=True, host=host, detail=detail)

    def __enter__(self) -> Attempt:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        for connection in self._connections:
            connection.close()
        if error is not None and (self.is_over or isinstance(error, OSError)):
            raise self.failure_of(error) from None

    def _end(self) -> None:
        """Wakes whatever waits for a connection."""
        self.is_over = True
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
