"""Access to /metrics: users who may view models, with any token or one limited to
metrics, and clients from settings.METRICS_NETWORKS."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import BasePermission

from models_app.authentication import BearerAuthentication
from models_app.enums import TokenScope
from models_app.permissions import VIEW

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

# With one of these headers, the peer address is a proxy's and proves nothing.
PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via")


class MetricsAuthentication(BearerAuthentication):
    scope = TokenScope.METRICS


class MayScrape(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated and request.user.has_perm(VIEW):
            return True
        address = request.META["REMOTE_ADDR"]
        return not _is_forwarded(request) and _is_in_networks(address)


def _is_forwarded(request: Request) -> bool:
    return any(name in request.headers for name in PROXY_HEADERS)


def _is_in_networks(address: str) -> bool:
    """False for a Unix socket, which has no peer address."""
    try:
        peer = ip_address(address.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None) or peer
    allowed = networks(tuple(settings.METRICS_NETWORKS))
    return any(mapped in network for network in allowed)


@lru_cache(maxsize=8)
def networks(texts: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(text) for text in texts]
