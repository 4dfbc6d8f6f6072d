"""HTTP over a Unix socket, for urllib3."""

from __future__ import annotations

import socket

from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError


class UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def _new_conn(self) -> socket.socket:
        """Raises NewConnectionError, TimeoutError."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(self.timeout)
            connection.connect(self.path)
        except TimeoutError:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            raise NewConnectionError(self, f"{self.path}: {error}") from error
        return connection


class UnixPool(HTTPConnectionPool):
    """Its requests take a path instead of a URL."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", maxsize=1)
        self.path = path

    def _new_conn(self) -> UnixConnection:
        return UnixConnection(self.path)
