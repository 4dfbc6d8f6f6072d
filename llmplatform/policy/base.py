"""What the layers share: the types of ASGI, headers, and how to refuse a request."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import translation

from gateway import urls
from gateway.errors import GatewayError, platform_error
from gateway.http import Message, Receive, Scope, Send
from gateway.messages import preferred_language

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Layer = Callable[[App], App]
Header = tuple[bytes, bytes]
Headers = list[Header]

API_PREFIXES = ("/api/", "/v1/", "/v2/", "/tokenize/")
# Keys of a scope, for what would otherwise be computed in each layer
RESPONSE, HEADERS = "llmplatform.response", "llmplatform.headers"


@dataclass(slots=True)
class ResponseState:
    """changes: to make to the message that starts the response, in place; those of
    inner layers first."""

    changes: list[Callable[[Message], None]] = field(default_factory=list)
    has_started: bool = False


def compose(app: App, layers: Iterable[Layer]) -> App:
    """The first layer becomes the outermost."""
    for layer in reversed(list(layers)):
        app = layer(app)
    return app


def values(headers: Iterable[Header], name: bytes) -> Iterator[bytes]:
    return (value for key, value in headers if key.lower() == name)


def header(scope: Scope, name: bytes) -> bytes:
    """The first value; empty if the header is missing. name: in lower case."""
    return first_headers(scope).get(name, b"")


def first_headers(scope: Scope) -> dict[bytes, bytes]:
    """Of repeated headers, the first; names in lower case."""
    found: dict[bytes, bytes] | None = scope.get(HEADERS)
    if found is None:
        found = scope[HEADERS] = first_of(scope["headers"])
    return found


def first_of(headers: Sequence[Header]) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in reversed(headers)}


def with_headers(headers: Iterable[Header], *new: Header) -> Headers:
    """headers, with new in the place of those that have the same names."""
    if not new:
        return list(headers)
    names = {name for name, _ in new}
    return [*(pair for pair in headers if pair[0].lower() not in names), *new]


def is_api_path(path: str) -> bool:
    """Of the REST API or the gateway: what answers there is never a page."""
    return path.startswith(API_PREFIXES) or f"{path}/" in API_PREFIXES


def track_response(app: App) -> App:
    """The outermost layer: one place for what all others do to a response."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        state = scope[RESPONSE] = ResponseState()

        def changed(message: Message) -> Awaitable[None]:
            if not state.has_started:
                state.has_started = True
                if message["type"] == "http.response.start":
                    for change in reversed(state.changes):
                        change(message)
            return send(message)

        await app(scope, receive, changed)

    return application


def on_response(scope: Scope, change: Callable[[Message], None]) -> None:
    scope[RESPONSE].changes.append(change)


def has_started(scope: Scope) -> bool:
    return bool(scope[RESPONSE].has_started)


async def refuse(
    scope: Scope, receive: Receive, send: Send, error: GatewayError
) -> None:
    """Answer in the format of the path: OpenAI's under /v1, else the platform's. A
    websocket is closed before it is accepted, which servers answer with 403."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})
        return
    accept = header(scope, b"accept-language").decode("latin-1")
    content = format_error(scope["path"], accept, error)
    start = {"type": "http.response.start", "status": error.status}
    await send({**start, "headers": error_headers(error, content)})
    await send({"type": "http.response.body", "body": content})


def error_headers(error: GatewayError, content: bytes) -> Headers:
    return [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        *error.headers,
    ]


def format_error(path: str, accept_language: str, error: GatewayError) -> bytes:
    is_gateway = urls.is_gateway_path(path)
    to_dict = urls.resolve(path).format_error if is_gateway else platform_error
    with translation.override(preferred_language(accept_language)):
        body: dict[str, Any] = to_dict(error)
    return json.dumps(body, ensure_ascii=False).encode()
