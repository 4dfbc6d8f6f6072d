"""What one token or session may have open at a time, in this process."""

from __future__ import annotations

from collections import Counter

from django.conf import settings

from gateway.errors import GatewayError
from gateway.http import Receive, Scope, Send
from llmplatform.policy.base import App, first_headers, refuse
from llmplatform.policy.credentials import credential_of
from monitoring.live import handshake


def limit_open(app: App) -> App:
    open_now: Counter[tuple[str, str]] = Counter()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        key = (scope["type"], _credential(scope))
        limit = _limit(scope)
        if not key[1]:
            return await app(scope, receive, send)
        if open_now[key] >= limit:
            error = GatewayError(
                429, "too_many_open_requests", {"max": limit}, retry_after_s=1
            )
            return await refuse(scope, receive, send, error)
        open_now[key] += 1
        try:
            return await app(scope, receive, send)
        finally:
            open_now[key] -= 1
            if not open_now[key]:
                del open_now[key]

    return application


def _limit(scope: Scope) -> int:
    if scope["type"] == "websocket":
        return int(settings.WEBSOCKETS_PER_TOKEN)
    return int(settings.CONNECTIONS_PER_TOKEN)


def _credential(scope: Scope) -> str:
    if scope["type"] != "websocket":
        return credential_of(first_headers(scope))
    found = handshake.credential(scope)
    return (found.token or found.session) if found else ""
