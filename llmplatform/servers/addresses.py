"""Connections of each address, in this process."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings

from gateway.errors import GatewayError


class Addresses:
    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """False, and not counted, where the address has all it may have. Behind a proxy
        every connection has the proxy's address, and there is no limit."""
        key = _owner(address)
        if not settings.TRUST_PROXY and self._open[key] >= _limit():
            return False
        self._open[key] += 1
        return True

    def leave(self, address: str) -> None:
        key = _owner(address)
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]


def too_many() -> GatewayError:
    return GatewayError(
        429, "too_many_connections", {"max": _limit()}, retry_after_s=10
    )


def _limit() -> int:
    return int(settings.CONNECTIONS_PER_ADDRESS)


def _owner(address: str) -> str:
    """One client has a whole /64 of IPv6."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
