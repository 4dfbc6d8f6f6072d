"""X-Request-Id on every response; a well-formed one from the client is kept."""

from __future__ import annotations

import re
from secrets import token_hex

from common.requests import request_id
from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import App, header, on_response, with_headers

NAME = b"x-request-id"
WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,128}")


def identify(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        given = header(scope, NAME)
        value = given if WELL_FORMED.fullmatch(given) else token_hex(16).encode()

        def add(message: Message) -> None:
            message["headers"] = with_headers(message["headers"], (NAME, value))

        request_id.set(value.decode())
        on_response(scope, add)
        await app(scope, receive, send)

    return application
