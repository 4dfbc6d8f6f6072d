"""A client that speaks ASGI to the gateway, and a real server for those that leave."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn

from gateway.routes.table import Alias, Grant, Route, RoutingTable, Target, by_name
from runtimes.frameworks.llamacpp.requests import SERVER_DIALECT

TOKEN = "token-of-an-operator"
GENERATE = "/api/models/smol/generate"
CHAT = "/v1/chat/completions"
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
PROMPT = {"prompt": "Hello, how are you?"}
CHAT_BODY = {"model": "smol", "messages": [{"role": "user", "content": "Hi"}]}


@dataclass
class Response:
    status: int = 0
    headers: dict = field(default_factory=dict)
    content: bytes = b""
    writes: list = field(default_factory=list)

    @property
    def json(self):
        return json.loads(self.content)

    @property
    def events(self):
        """Data of each server-sent event, read as JSON where it is."""
        lines = self.content.decode().split("\n\n")
        data = [line.partition("data: ")[2] for line in lines if "data: " in line]
        return [text if text == "[DONE]" else json.loads(text) for text in data]


async def fetch(app, method, path, body=None, *, token=TOKEN, headers=(), chunks=None):
    """body: bytes, or anything JSON-serializable. chunks: the body in pieces."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    parts = list(chunks if chunks is not None else [content])
    response = Response()
    never = asyncio.Event()

    async def receive():
        if parts:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}
        await never.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            assert not response.headers  # servers refuse a second start
            response.status = message["status"]
            response.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            response.writes.append(message.get("body", b""))
            response.content += response.writes[-1]

    sent = [(name.lower().encode(), value.encode()) for name, value in headers]
    if token is not None:
        sent.append((b"authorization", b"Bearer " + token.encode()))
    scope = {"type": "http", "method": method, "path": path, "headers": sent}
    await app(scope, receive, send)
    return response


def a_route(name="smol", *replicas, **fields):
    defaults = {"model_id": 7, "status": "running", "retry_after_s": 1, "created": 9}
    defaults["dialect"] = SERVER_DIALECT
    return Route(name=name, replicas=replicas, **{**defaults, **fields})


def a_table(*routes, grants, aliases=()):
    return RoutingTable(
        by_name=by_name(routes),
        by_id={route.model_id: route for route in routes},
        grants=grants,
        aliases={alias.name: alias for alias in aliases},
    )


def an_alias(name, *targets, mode="fallback", **fields):
    """targets: routes, or pairs of a route and its weight."""
    pairs = [each if isinstance(each, tuple) else (each,) for each in targets]
    made = tuple(Target(*pair) for pair in pairs)
    return Alias(name=name, mode=mode, targets=made, **fields)


def a_grant(**fields):
    defaults = {"user_id": 1, "username": "ann", "can_use": True}
    return Grant(**{**defaults, **fields})


@asynccontextmanager
async def serving(app):
    """(host, port) of uvicorn in this event loop."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, lifespan="off", ws="none", log_config=None, loop="none", access_log=False
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = server.force_exit = True
        await running
        listener.close()


def raw_request(path, body, token=TOKEN):
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def until(true, seconds=90.0):
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)
