"""Credentials and origin of a websocket handshake, read without the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.cookie import parse_cookie
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain
from knox.crypto import hash_token

from monitoring.live.permissions import Credential

# Browsers cannot set headers on a websocket, but can offer subprotocols. The first is
# accepted; the second carries a token and is never echoed.
SUBPROTOCOL = "llmplatform.live"
TOKEN_PREFIX = "bearer."  # noqa: S105 -- no secret

Scope = Mapping[str, Any]


def credential(scope: Scope) -> Credential | None:
    """A token takes precedence over a cookie, as in the API. A cookie only counts with
    an origin, which browsers always send."""
    if token := _token(scope):
        return Credential(token=hash_token(token))
    cookies = parse_cookie(_header(scope, b"cookie"))
    key = cookies.get(settings.SESSION_COOKIE_NAME)
    return Credential(session=key) if key and _header(scope, b"origin") else None


def origin_is_allowed(scope: Scope) -> bool:
    """Any site could open a websocket with its visitor's cookie, so the origin must be
    this host and port, or a trusted origin. Clients other than browsers send none."""
    host = _header(scope, b"host")
    domain, _port = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return False
    origin = _header(scope, b"origin")
    if not origin:
        return True
    return _is_same_host(origin, host) or _is_trusted(origin)


def _is_same_host(origin: str, host: str) -> bool:
    scheme, _, netloc = origin.partition("://")
    return scheme in ("http", "https") and netloc.lower() == host.lower()


def _is_trusted(origin: str) -> bool:
    return any(_matches(origin, trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS)


def _matches(origin: str, trusted: str) -> bool:
    """trusted: "https://a.example", or "https://*.example" for all subdomains."""
    if "://*" not in trusted:
        return origin == trusted
    scheme, _, pattern = trusted.partition("://*")
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == scheme and is_same_domain(parts.netloc, pattern)


def subprotocol(scope: Scope) -> str | None:
    return SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None


def _token(scope: Scope) -> str:
    scheme, _, token = _header(scope, b"authorization").strip().partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return _first(
        offered.removeprefix(TOKEN_PREFIX)
        for offered in scope.get("subprotocols", ())
        if offered.startswith(TOKEN_PREFIX)
    )


def _header(scope: Scope, name: bytes) -> str:
    """Empty if missing."""
    values = (v for n, v in scope["headers"] if n.lower() == name)
    return _first(value.decode("latin-1") for value in values)


def _first(values: Iterable[str]) -> str:
    return next(iter(values), "")
