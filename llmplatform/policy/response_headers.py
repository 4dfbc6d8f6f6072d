"""Headers of every response: caching of the APIs, and security headers."""

from __future__ import annotations

from gateway.http import Message, Receive, Scope, Send
from llmplatform.policy.base import App, is_api_path, on_response, with_headers

NO_STORE = (b"cache-control", b"no-store")


def add_headers(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        def add(message: Message) -> None:
            if is_api_path(scope["path"]):
                message["headers"] = with_headers(message["headers"], NO_STORE)

        await app(scope, receive, on_response(send, add))

    return application
