"""The request that is being served: its id, its client and Django's request."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any

# Empty outside of requests
request_id: ContextVar[str] = ContextVar("request_id", default="")
# Django's request; None elsewhere
current_request: ContextVar[Any] = ContextVar("current_request", default=None)


def with_request_id(body: Mapping[str, object]) -> dict[str, object]:
    """body of an error, with the id that the client can name to an operator."""
    current = request_id.get()
    return {**body, "request_id": current} if current else dict(body)


def client_address(peer: str, forwarded_for: str, *, trusts_proxy: bool) -> str:
    """peer: address of the connection. forwarded_for: X-Forwarded-For, of which only
    the last entry is a trusted proxy's own. Empty if there is no valid address, as on a
    Unix socket."""
    forwarded = forwarded_for.rpartition(",")[2].strip() if trusts_proxy else ""
    for address in (forwarded, peer):
        try:
            return str(ip_address(address))
        except ValueError:
            continue
    return ""
