import asyncio

import pytest

from llmplatform.asgi import application
from tests.gateway.client import ask


@pytest.mark.parametrize(
    ("path", "status", "header"),
    [
        ("/v1/chat/completions", 401, ("www-authenticate", "Bearer")),
        ("/api/models/7/generate", 401, ("www-authenticate", "Bearer")),
        ("/", 302, ("location", "/admin/")),
    ],
)
async def test_path_decides_who_answers(path, status, header):
    name, value = header
    host = [("Host", "x.localhost")]
    method = "GET" if path == "/" else "POST"
    answer = await ask(application, method, path, b"", token=None, headers=host)
    headers = {k.lower(): v for k, v in answer.headers.items()}
    assert (answer.status, headers[name]) == (status, value)


async def test_websocket_is_closed_while_nobody_listens():
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    await application({"type": "websocket", "path": "/ws"}, receive, send)
    assert sent == ["websocket.close"]


@pytest.mark.parametrize("time", ["first", "second"])
async def test_lifespan_starts_and_stops_the_gateway(time):
    told = asyncio.Queue()
    sent = asyncio.Queue()
    running = asyncio.create_task(application({"type": "lifespan"}, told.get, sent.put))
    await told.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    await told.put({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await running
    (left,) = asyncio.all_tasks()
    assert left is asyncio.current_task()
