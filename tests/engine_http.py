"""HTTP to an engine, over its Unix socket or its port."""

import http.client
import socket


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = unix_connection(self.path, self.timeout)


def unix_connection(path, timeout=None):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def connection_to(path, port, timeout=300):
    """path: of its socket; empty: it listens on the port."""
    if path:
        return UnixConnection(path, timeout)
    return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
