"""A thousand streams at once: none is lost, and none has a piece of another."""

import asyncio
import json
import random
import resource

import pytest

from gateway.routes.table import Replica
from tests.gateway.client import CHAT, CHAT_BODY, a_route, fetch

STREAMS, PIECES = 1000, 12
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
HEAD += b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def _open_files():
    """Each stream has both ends of its connection in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def events(name):
    for n in range(PIECES):
        choice = {"index": 0, "delta": {"content": f"{name}-{n} "}}
        yield b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def pieces(name):
    """Cut anywhere, as networks do."""
    whole, cut = b"".join(events(name)), random.Random(name)
    while whole:
        size = cut.randint(1, 120)
        yield whole[:size]
        whole = whole[size:]


async def serve(reader, writer):
    while head := await reader.readuntil(b"\r\n\r\n"):
        size = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
        body = json.loads(await reader.readexactly(size))
        writer.write(HEAD)
        for piece in pieces(body["messages"][0]["content"]):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")


async def until_end(reader, writer):
    try:
        await serve(reader, writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def test_streams_are_neither_lost_nor_mixed_up(gateway, loader, settings):
    settings.MAX_REQUESTS_PER_TOKEN = 0
    server = await asyncio.start_server(until_end, "127.0.0.1", 0, backlog=STREAMS)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loader.serve(a_route("smol", Replica(run_uid="s", base_url=url, api_key="key")))

    async def content(name):
        messages = [{"role": "user", "content": name}]
        body = {**CHAT_BODY, "messages": messages, "stream": True}
        return (await fetch(gateway, "POST", CHAT, body)).content

    names = [f"stream{n}" for n in range(STREAMS)]
    async with server:
        for _ in range(2):  # the second time on kept connections
            found = await asyncio.gather(*map(content, names))
            expected = [b"".join(events(name)) for name in names]
            assert found == expected
        await gateway.close()
    assert gateway.usage.drain()[7].requests == 2 * STREAMS
    assert not gateway.engines.in_flight
