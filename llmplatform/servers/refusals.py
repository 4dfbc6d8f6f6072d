"""Responses of a server that go out without the application."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import unquote
from uuid import uuid4

from common.requests import request_id
from gateway.errors import GatewayError
from llmplatform.policy.base import error_headers, format_error

# For a client that is still sending: closing at once would reset the connection, and
# the response would be lost.
LINGER_SECONDS = 2.0


def header_too_large(max_bytes: int) -> GatewayError:
    return GatewayError(431, "header_too_large", {"max": max_bytes})


def timed_out(seconds: float) -> GatewayError:
    return GatewayError(408, "request_timeout", {"seconds": seconds})


def malformed() -> GatewayError:
    return GatewayError(400, "malformed_request")


def to_bytes(error: GatewayError, raw_path: bytes = b"") -> bytes:
    """The whole response. It closes the connection."""
    value = uuid4().hex
    token = request_id.set(value)
    path = unquote(raw_path.partition(b"?")[0].decode("latin-1"))
    content = format_error(path, "", error)
    request_id.reset(token)
    status = HTTPStatus(error.status)
    headers = [
        *error_headers(error, content),
        (b"x-request-id", value.encode()),
        (b"connection", b"close"),
    ]
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", content])
