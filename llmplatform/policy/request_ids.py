"""X-Request-Id on every response; a well-formed one from the client is kept."""

from __future__ import annotations

import re
from random import getrandbits

from common.requests import request_id
from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import App, header, on_response, with_headers

NAME = b"x-request-id"
WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def identify(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        given = header(scope, NAME)
        value = given if WELL_FORMED.fullmatch(given) else _new()

        def add(message: Message) -> None:
            message["headers"] = with_headers(message["headers"], (NAME, value))

        request_id.set(value.decode())
        on_response(scope, add)
        await app(scope, receive, send)

    return application


def _new() -> bytes:
    """Unique, not secret: the system's random numbers would cost a system call."""
    return b"%032x" % getrandbits(128)
