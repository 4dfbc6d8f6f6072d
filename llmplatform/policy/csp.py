"""Content-Security-Policy of pages: scripts come from this site, none is inline."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import (
    App,
    Header,
    header,
    on_response,
    values,
    with_headers,
)

NAME = b"content-security-policy"
HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]+")
POLICY = "; ".join(
    (
        "default-src 'self'",
        # Alpine, which the admin's theme is built on, compiles its attributes.
        "script-src 'self' 'unsafe-eval'",
        # Themes, charts and Swagger UI set styles.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'{websockets}",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


def protect_pages(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        def add(message: Message) -> None:
            headers = message["headers"]
            if _is_page(headers) and not any(values(headers, NAME)):
                policy = POLICY.format(websockets=_websockets(scope)).encode()
                message["headers"] = with_headers(headers, (NAME, policy))

        on_response(scope, add)
        await app(scope, receive, send)

    return application


def _is_page(headers: Iterable[Header]) -> bool:
    return any(v.startswith(b"text/html") for v in values(headers, b"content-type"))


def _websockets(scope: Scope) -> str:
    """Older browsers do not take 'self' for websockets of the same host."""
    host = header(scope, b"host")
    if not HOST.fullmatch(host):
        return ""
    return " ws://{0} wss://{0}".format(host.decode())
