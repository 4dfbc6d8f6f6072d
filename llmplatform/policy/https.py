"""With HTTPS=1, plain HTTP is refused: a token sent over it is not accepted. Pages are
left to Django, which redirects them."""

from __future__ import annotations

from django.conf import settings

from gateway.errors import GatewayError
from gateway.http import Receive, Scope, Send
from llmplatform.policy.base import App, header, is_api_path, refuse


def require_https(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if not settings.HTTPS or is_secure(scope) or _is_page(scope):
            return await app(scope, receive, send)
        return await refuse(scope, receive, send, GatewayError(403, "https_required"))

    return application


def is_secure(scope: Scope) -> bool:
    if settings.TRUST_PROXY:
        forwarded = header(scope, b"x-forwarded-proto").partition(b",")[0]
        return forwarded.strip() == b"https"
    return scope.get("scheme") in ("https", "wss")


def _is_page(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] in ("GET", "HEAD")
        and not is_api_path(scope["path"])
        and not header(scope, b"authorization")
    )
