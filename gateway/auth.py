"""Bearer authentication against the routing table in memory.

Cookies are ignored, so a web page cannot send requests in its visitor's name.
"""

from __future__ import annotations

import time

from knox.crypto import hash_token

from gateway.errors import GatewayError
from gateway.routes.cache import RouteCache
from gateway.routes.table import Grant, RoutingTable

RETRY_AFTER_S = 5


async def authenticate(header: bytes | None, routes: RouteCache) -> RoutingTable:
    """The routing table, once it shows that the caller may use models. Raises
    GatewayError."""
    digest = hash_token(_parse_token(header))
    table = await routes.current()
    if table is not None and digest not in table.grants:
        table = await routes.reload_for_token(digest)
    if table is None:
        raise GatewayError(503, "routes_unknown", retry_after_s=RETRY_AFTER_S)
    _check_grant(table.grants.get(digest))
    return table


def _parse_token(header: bytes | None) -> str:
    scheme, _, token = (header or b"").strip().partition(b" ")
    if scheme.lower() != b"bearer":
        raise GatewayError(401, "not_authenticated")
    token = token.strip()
    if not token or not token.isascii() or not token.decode().isprintable():
        raise _invalid_token()
    return token.decode()


def _check_grant(grant: Grant | None) -> None:
    if grant is None or (grant.expires_at and grant.expires_at <= time.time()):
        raise _invalid_token()
    if not grant.can_use:
        raise GatewayError(403, "permission_denied", {"user": grant.username})


def _invalid_token() -> GatewayError:
    return GatewayError(401, "authentication_failed")
