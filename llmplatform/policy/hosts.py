"""The Host header of gateway requests and websockets, which Django never sees."""

from __future__ import annotations

import logging
from functools import lru_cache

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from common.problems import shorten
from gateway import urls
from gateway.errors import GatewayError
from gateway.http import Receive, Scope, Send
from llmplatform.policy.base import App, header, refuse

logger = logging.getLogger(__name__)


def check_host(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        checks_itself = scope["type"] == "http" and not urls.is_gateway_path(
            scope["path"]
        )
        host = header(scope, b"host").decode("latin-1")
        if checks_itself or is_allowed(host):
            return await app(scope, receive, send)
        logger.warning("Host %r is not in ALLOWED_HOSTS", shorten(host))
        return await refuse(scope, receive, send, GatewayError(400, "bad_request"))

    return application


def is_allowed(host: str) -> bool:
    return _matches(host, tuple(settings.ALLOWED_HOSTS))


@lru_cache(256)
def _matches(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)
