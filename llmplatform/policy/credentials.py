"""Whether a request comes from somebody known, before its body is read. Permissions are
left to the application."""

from __future__ import annotations

from collections.abc import Iterable

from channels.db import database_sync_to_async
from django.conf import settings
from django.http.cookie import parse_cookie
from knox.crypto import hash_token

from gateway.auth import authorization
from llmplatform.policy.base import Header, values
from monitoring.live.permissions import Credential, users_of


async def is_known(headers: Iterable[Header]) -> bool:
    """Takes at most three queries."""
    headers = list(headers)
    credentials = {c for c in (_token(headers), _session(headers)) if c}
    if not credentials:
        return False
    return bool(await database_sync_to_async(users_of)(credentials))


def key_of(headers: Iterable[Header]) -> str:
    """Of the token, else of the session; empty where there is neither."""
    headers = list(headers)
    credential = _token(headers) or _session(headers)
    return (credential.token or credential.session) if credential else ""


def _token(headers: list[Header]) -> Credential | None:
    value = (authorization(dict(headers)) or b"").decode("latin-1")
    scheme, _, token = value.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    return Credential(token=hash_token(token.strip()))


def _session(headers: list[Header]) -> Credential | None:
    cookies = parse_cookie(next(values(headers, b"cookie"), b"").decode("latin-1"))
    key = cookies.get(settings.SESSION_COOKIE_NAME)
    return Credential(session=key) if key else None
