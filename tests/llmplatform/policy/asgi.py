"""Requests to an ASGI application, and an application that records them."""

import asyncio
from dataclasses import dataclass, field

from llmplatform.policy.base import track_response


@dataclass
class Response:
    messages: list = field(default_factory=list)

    @property
    def status(self):
        return next(m["status"] for m in self.messages if "status" in m)

    @property
    def headers(self):
        start = next(m for m in self.messages if "headers" in m)
        return {k.decode().lower(): v.decode() for k, v in start["headers"]}

    @property
    def body(self):
        return b"".join(m.get("body", b"") for m in self.messages)


async def call(app, path="/", *, headers=(), chunks=(b"",), **scope):
    """headers: pairs of strings."""
    parts = [
        {"type": "http.request", "body": chunk, "more_body": n < len(chunks) - 1}
        for n, chunk in enumerate(chunks)
    ]
    response = Response()

    async def receive():
        return parts.pop(0) if parts else await asyncio.Future()

    async def send(message):
        response.messages.append(message)

    sent = [(k.lower().encode(), v.encode()) for k, v in headers]
    defaults = {"type": "http", "method": "GET", "scheme": "http", "client": None}
    await track_response(app)(
        {**defaults, "path": path, "headers": sent, **scope}, receive, send
    )
    return response


async def hello(scope, receive, send):
    headers = [(b"content-type", b"text/plain"), (b"Cache-Control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})
