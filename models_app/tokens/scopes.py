"""What the scopes of a token allow, in API, websockets, /metrics and gateway alike."""

from __future__ import annotations

from collections.abc import Collection

from models_app.enums import TokenScope


def allows(scopes: Collection[str], scope: str) -> bool:
    """scopes: of a token; none allow everything."""
    if not scopes or scope in scopes:
        return True
    return scope == TokenScope.READ and TokenScope.MANAGE in scopes
