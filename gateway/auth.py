"""Bearer authentication against the routing table in memory.

Cookies are ignored, so a web page cannot send requests in its visitor's name.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from knox.crypto import hash_token

from common.problems import shorten
from gateway.errors import GatewayError, model_not_found
from gateway.routes.cache import RouteCache
from gateway.routes.table import Alias, Grant, Route, RoutingTable, permitted
from models_app.enums import TokenScope
from models_app.tokens.scopes import allows

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Caller:
    """digest: of the token. table: the one that allows the request."""

    digest: str
    table: RoutingTable

    @property
    def grant(self) -> Grant:
        return self.table.grants[self.digest]

    @property
    def visible(self) -> RoutingTable:
        """The table without models that the token may not use."""
        return self.table.limited_to(self.grant.models)

    def find(self, name_or_id: str) -> Route | Alias:
        """Raises GatewayError model_not_found, for a model that the token may not use
        as for one that does not exist."""
        found = self.table.find(name_or_id)
        models = self.grant.models
        if models is not None:
            found = permitted(found, models)
        if found is None:
            nearest = self.visible.nearest(name_or_id)
            raise model_not_found(shorten(name_or_id), nearest)
        return found


def authorization(headers: Mapping[bytes, bytes]) -> bytes | None:
    """Clients of Anthropic's API send the token as x-api-key."""
    header = headers.get(b"authorization")
    if header is None and (key := headers.get(b"x-api-key")):
        return b"Bearer " + key
    return header


async def authenticate(header: bytes | None, routes: RouteCache) -> Caller:
    """Raises GatewayError unless the caller may use models."""
    digest = hash_token(_parse_token(header))
    table = await routes.current()
    if table is not None and digest not in table.grants:
        table = await routes.reload_for_token(digest)
    if table is None:
        raise GatewayError(503, "routes_unknown", retry_after_s=RETRY_AFTER_S)
    check_grant(table, digest)
    return Caller(digest, table)


def _parse_token(header: bytes | None) -> str:
    scheme, _, token = (header or b"").strip().partition(b" ")
    if scheme.lower() != b"bearer":
        raise GatewayError(401, "not_authenticated")
    token = token.strip()
    if not token or not token.isascii() or not token.decode().isprintable():
        raise _invalid_token()
    return token.decode()


def check_grant(table: RoutingTable, digest: str) -> None:
    """Raises GatewayError unless the token exists, is valid and may use models."""
    grant = table.grants.get(digest)
    if grant is None or (grant.expires_at and grant.expires_at <= time.time()):
        raise _invalid_token()
    if not grant.can_use:
        raise _denied(grant)


def _denied(grant: Grant) -> GatewayError:
    if allows(grant.scopes, TokenScope.INFERENCE):
        return GatewayError(403, "permission_denied", {"user": grant.username})
    return GatewayError(
        403,
        "permission_denied",
        {"allowed": grant.scopes},
        message_code="token_restricted",
    )


def _invalid_token() -> GatewayError:
    return GatewayError(401, "authentication_failed")
