"""/healthz and /readyz: without a token and for any Host, on both ports."""

from __future__ import annotations

import asyncio
import json

from channels.db import database_sync_to_async
from django.db import DatabaseError

from common.broker import BrokerError, client
from gateway.errors import GatewayError
from gateway.http import Receive, Scope, Send
from llmplatform.policy.base import App, refuse
from models_app.models import ApiToken

HEALTH, READINESS = "/healthz", "/readyz"
METHODS = ("GET", "HEAD")
TIMEOUT_SECONDS = 5


def answer_probes(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in (HEALTH, READINESS):
            return await app(scope, receive, send)
        if scope["method"] not in METHODS:
            params = {"value": scope["method"], "allowed": METHODS}
            allow = [(b"allow", ", ".join(METHODS).encode())]
            error = GatewayError(405, "method_not_allowed", params, extra_headers=allow)
            return await refuse(scope, receive, send, error)
        failed = await _failures() if scope["path"] == READINESS else []
        return await _respond(scope, send, failed)

    return application


async def _failures() -> list[str]:
    checks = (("database_unavailable", _database), ("broker_unavailable", _broker))
    results = await asyncio.gather(*(_works(check) for _, check in checks))
    return [code for (code, _), works in zip(checks, results, strict=True) if not works]


async def _works(check: object) -> bool:
    # Not in the thread of Django's views, which may be busy.
    run = database_sync_to_async(check, thread_sensitive=False)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await run()
    except (DatabaseError, BrokerError, TimeoutError):
        return False
    return True


def _database() -> None:
    ApiToken.objects.exists()


def _broker() -> None:
    client().ping()


async def _respond(scope: Scope, send: Send, failed: list[str]) -> None:
    status = "not_ready" if failed else "ok"
    content = json.dumps({"status": status, "failed": failed}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"cache-control", b"no-store"),
    ]
    start = {"type": "http.response.start", "status": 503 if failed else 200}
    await send({**start, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else content
    await send({"type": "http.response.body", "body": body})
