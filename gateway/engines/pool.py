"""Connections to engines, kept for the next request.

A kept connection may turn out to be closed: llama.cpp closes its own after each stream
without announcing it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.engines.connection import Connection, EngineUnreachableError
from gateway.routes.table import Replica

CONNECT_TIMEOUT_S = 5
# Both llama.cpp and uvicorn, below vLLM, close connections after 5 s without a request.
MAX_IDLE_S = 4.0
MAX_IDLE = 256


class Address(NamedTuple):
    """socket: of a Unix socket; empty: host and port."""

    socket: str
    host: str
    port: int


@lru_cache(4096)
def _address(socket: str, base_url: str) -> Address:
    url = urlsplit(base_url)
    return Address(socket, url.hostname or "localhost", url.port or 80)


class ConnectionPool:
    """Belongs to the event loop of its first use."""

    def __init__(self, read_timeout_s: float) -> None:
        self.read_timeout_s = read_timeout_s
        self._idle: dict[Address, list[tuple[float, Connection]]] = defaultdict(list)

    def take(self, replica: Replica) -> Connection | None:
        """The one used last, which is open as far as is known here."""
        address = _address(replica.socket, replica.base_url)
        idle = self._idle.get(address)
        oldest = asyncio.get_running_loop().time() - MAX_IDLE_S
        while idle:
            since, connection = idle.pop()
            if connection.is_open and since > oldest:
                return connection
            connection.abort()
        self._idle.pop(address, None)
        return None

    async def connect(self, replica: Replica) -> Connection:
        """Raises EngineUnreachableError."""
        loop = asyncio.get_running_loop()
        address = _address(replica.socket, replica.base_url)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if address.socket:
                    _, connection = await loop.create_unix_connection(
                        self._new, address.socket
                    )
                else:
                    _, connection = await loop.create_connection(
                        self._new, address.host, address.port
                    )
        except (OSError, TimeoutError) as error:
            raise EngineUnreachableError from error
        return connection

    def give_back(self, replica: Replica, connection: Connection) -> None:
        """Closes it unless another request may follow."""
        idle = self._idle[_address(replica.socket, replica.base_url)]
        if connection.is_reusable and len(idle) < MAX_IDLE:
            idle.append((asyncio.get_running_loop().time(), connection))
        else:
            connection.abort()

    def close(self) -> None:
        while self._idle:
            for _, connection in self._idle.popitem()[1]:
                connection.abort()

    def _new(self) -> Connection:
        return Connection(self.read_timeout_s)
