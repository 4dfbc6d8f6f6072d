"""Who may read /metrics: those who may view models, with any token of theirs or one
made for just this, and the networks that settings name."""

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

# With one of these the address is that of a proxy, which speaks for anybody.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via")


class MetricsAuthentication(BearerAuthentication):
    scope = TokenScope.METRICS


class MayScrape(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated and request.user.has_perm(VIEW):
            return True
        return not _is_forwarded(request) and _is_near(request.META["REMOTE_ADDR"])


def _is_forwarded(request: Request) -> bool:
    return any(name in request.headers for name in FORWARDED)


def _is_near(address: str) -> bool:
    """Servers on a Unix socket have no address to tell."""
    try:
        peer = ip_address(address.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(peer, "ipv4_mapped", None) or peer
    near = networks(tuple(settings.METRICS_NETWORKS))
    return any(mapped in network for network in near)


@lru_cache(maxsize=8)
def networks(texts: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(text) for text in texts]
