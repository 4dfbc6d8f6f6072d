"""The id of the request that is being served, for logs and error bodies."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

# Empty outside of requests
request_id: ContextVar[str] = ContextVar("request_id", default="")


def with_request_id(body: Mapping[str, object]) -> dict[str, object]:
    """body of an error, with the id that the client can name to an operator."""
    current = request_id.get()
    return {**body, "request_id": current} if current else dict(body)
