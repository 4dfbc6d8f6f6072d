"""Whether a request comes from somebody known, before its body is read. Permissions are
left to the application."""

from __future__ import annotations

from collections.abc import Mapping

from channels.db import database_sync_to_async
from django.conf import settings
from django.http.cookie import parse_cookie
from knox.crypto import hash_token

from gateway.auth import authorization
from monitoring.live.permissions import Credential, users_of


async def is_known(headers: Mapping[bytes, bytes]) -> bool:
    """headers: names in lower case. Takes at most three queries."""
    credentials = set()
    if token := _token(headers):
        credentials.add(Credential(token=hash_token(token)))
    if session := _session(headers):
        credentials.add(Credential(session=session))
    if not credentials:
        return False
    return bool(await database_sync_to_async(users_of)(credentials))


def credential_of(headers: Mapping[bytes, bytes]) -> str:
    """The token, else the key of the session; empty where there is neither. headers:
    names in lower case."""
    return _token(headers) or _session(headers)


def _token(headers: Mapping[bytes, bytes]) -> str:
    given = authorization(headers)
    if not given:
        return ""
    scheme, _, token = given.decode("latin-1").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _session(headers: Mapping[bytes, bytes]) -> str:
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin-1"))
    return str(cookies.get(settings.SESSION_COOKIE_NAME, ""))
