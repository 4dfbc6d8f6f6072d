"""Headers of every response: caching of the APIs, and security headers."""

from __future__ import annotations

from django.conf import settings

from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import App, is_api_path, on_response, with_headers
from llmplatform.policy.https import is_secure

NO_STORE = (b"cache-control", b"no-store")


def add_headers(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        def add(message: Message) -> None:
            added = [NO_STORE] if is_api_path(scope["path"]) else []
            if settings.SECURE_HSTS_SECONDS and is_secure(scope):
                added.append((b"strict-transport-security", _hsts()))
            message["headers"] = with_headers(message["headers"], *added)

        on_response(scope, add)
        await app(scope, receive, send)

    return application


def _hsts() -> bytes:
    """As Django's, which does not see responses of the gateway."""
    options = {
        "; includeSubDomains": settings.SECURE_HSTS_INCLUDE_SUBDOMAINS,
        "; preload": settings.SECURE_HSTS_PRELOAD,
    }
    chosen = "".join(text for text, is_on in options.items() if is_on)
    return f"max-age={settings.SECURE_HSTS_SECONDS}{chosen}".encode()
