"""Record rejected tokens in the activity log, with the client's address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError

from common.requests import client_address
from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import App, header, on_response
from models_app.accounts.recording import throttle
from models_app.activity import record

logger = logging.getLogger(__name__)

UNAUTHORIZED = 401
Report = Callable[[Scope], None]

_tasks: set[asyncio.Task[None]] = set()


def record_rejections(app: App) -> App:
    """Of requests that present a token; clients without one only have to sign in."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        def note(message: Message) -> None:
            if message["status"] == UNAUTHORIZED and header(scope, b"authorization"):
                report(scope)

        on_response(scope, note)
        await app(scope, receive, send)

    return application


def report(scope: Scope) -> None:
    """Returns at once. A flood is recorded in part; see models_app.accounts."""
    address = address_of(scope)
    if (skipped := throttle.admit(address)) is None:
        return
    prefix = "/" + scope["path"].split("/")[1][:20]
    params: dict[str, object] = {"path": prefix, "skipped": skipped}
    task = asyncio.ensure_future(database_sync_to_async(_write)(address, params))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def address_of(scope: Scope) -> str:
    peer = (scope.get("client") or ("",))[0]
    forwarded = header(scope, b"x-forwarded-for").decode("latin-1")
    return client_address(peer, forwarded, trusts_proxy=settings.TRUST_PROXY)


def _write(address: str, params: dict[str, object]) -> None:
    try:
        record("credentials_rejected", address=address, params=params)
    except DatabaseError as error:
        logger.warning("a rejected token from %s was not recorded: %s", address, error)
