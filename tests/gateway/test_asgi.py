import asyncio

import pytest

from llmplatform.asgi import application
from tests.gateway.client import fetch


@pytest.mark.parametrize(
    ("path", "status", "header"),
    [
        ("/v1/chat/completions", 401, ("www-authenticate", "Bearer")),
        ("/api/models/7/generate", 401, ("www-authenticate", "Bearer")),
        ("/", 302, ("location", "/admin/")),
    ],
)
async def test_path_selects_gateway_or_django(path, status, header):
    name, value = header
    host = [("Host", "x.localhost")]
    method = "GET" if path == "/" else "POST"
    response = await fetch(application, method, path, b"", token=None, headers=host)
    headers = {k.lower(): v for k, v in response.headers.items()}
    assert (response.status, headers[name]) == (status, value)


async def test_unknown_websocket_path_is_closed():
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    await application(
        {"type": "websocket", "path": "/ws", "headers": []}, receive, send
    )
    assert sent == ["websocket.close"]


@pytest.mark.parametrize("time", ["first", "second"])
async def test_lifespan_starts_and_stops_the_gateway(time):
    inbox = asyncio.Queue()
    outbox = asyncio.Queue()
    running = asyncio.create_task(
        application({"type": "lifespan"}, inbox.get, outbox.put)
    )
    await inbox.put({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    await inbox.put({"type": "lifespan.shutdown"})
    assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
    await running
    (left,) = asyncio.all_tasks()
    assert left is asyncio.current_task()
