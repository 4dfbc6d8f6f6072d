"""One Authorization header: of two, servers behind each other may each see another."""

from __future__ import annotations

from gateway.errors import GatewayError
from gateway.http import Receive, Scope, Send
from llmplatform.policy.base import App, first_headers, refuse, values


def refuse_repeated(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        is_unique = len(first_headers(scope)) == len(headers)
        if is_unique or len(list(values(headers, b"authorization"))) < 2:
            return await app(scope, receive, send)
        error = GatewayError(400, "repeated_authorization")
        return await refuse(scope, receive, send, error)

    return application
