"""Who may use models: bearer tokens, looked up in memory. No cookies are taken, so a
page in somebody's browser can send nothing in their name."""

from __future__ import annotations

import time

from knox.crypto import hash_token

from gateway.errors import GatewayError
from gateway.routes.cache import Refresh
from gateway.routes.table import Grant, Table

RELOAD_S = 5


async def authorise(header: bytes | None, refresh: Refresh) -> Table:
    """The table that knows the caller, who may use models."""
    digest = hash_token(_token(header))
    table = await refresh.current()
    if table is not None and digest not in table.grants:
        table = await refresh.renewed(digest)
    if table is None:
        raise GatewayError(503, "routes_unknown", retry_after_s=RELOAD_S)
    _require_use(table.grants.get(digest))
    return table


def _token(header: bytes | None) -> str:
    scheme, _, token = (header or b"").strip().partition(b" ")
    if scheme.lower() != b"bearer":
        raise GatewayError(401, "not_authenticated")
    token = token.strip()
    if not token or not token.isascii() or not token.decode().isprintable():
        raise _refused()
    return token.decode()


def _require_use(grant: Grant | None) -> None:
    if grant is None or (grant.expires_at and grant.expires_at <= time.time()):
        raise _refused()
    if not grant.may_use:
        raise GatewayError(403, "permission_denied", {"user": grant.username})


def _refused() -> GatewayError:
    return GatewayError(401, "authentication_failed")
