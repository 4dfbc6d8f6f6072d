import asyncio

import pytest

from gateway.engines.client import EngineClient, read_all
from gateway.engines.connection import MAX_HEAD_BYTES, EngineUnreachableError
from tests.gateway.engines.wire import CHUNKED, OK, wire

PATH, BODY = "/v1/completions", b'{"n": 1}'


async def post(engines, replica):
    async with engines.post(replica, PATH, BODY) as response:
        return response.status, await read_all(response)


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (OK, b"{}"),
        (CHUNKED, b"{}"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
    ],
)
async def test_response_is_read(answer, content):
    engines = EngineClient()
    async with wire([answer]) as server:
        assert await post(engines, server.replica) == (200, content)
    assert server.requests[0].endswith(BODY)
    await engines.close()


GARBAGE = (
    b"",
    b"nonsense\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_HEAD_BYTES,
)


@pytest.mark.parametrize("answer", GARBAGE, ids=lambda answer: answer[:60])
async def test_garbage_is_an_error(answer):
    engines = EngineClient()
    async with wire([answer]) as server:
        with pytest.raises(EngineUnreachableError):
            await post(engines, server.replica)
    assert engines.in_flight == {}
    assert len(server.requests) == 1
    await engines.close()


@pytest.mark.parametrize(
    "closing",
    [
        OK.replace(b"Content-Type", b"Connection: close\r\nContent-Type"),
        OK.replace(b"1.1", b"1.0"),
        OK + b"more",
    ],
)
async def test_connection_that_cannot_be_reused_is_not(closing):
    engines = EngineClient()
    async with wire([closing] * 9) as server:
        for _ in range(3):
            assert await post(engines, server.replica) == (200, b"{}")
        assert server.connections == 3
    await engines.close()


async def test_closed_connection_is_replaced_without_loss():
    """As llama.cpp does after each stream, it closes without announcing it."""
    engines = EngineClient()
    async with wire([OK]) as server:
        for _ in range(200):
            assert await post(engines, server.replica) == (200, b"{}")
        assert len(server.requests) == 200
    await engines.close()


async def test_connection_closed_on_a_request_is_replaced_once():
    engines = EngineClient()
    async with wire([OK, b""], [b""]) as server:
        await post(engines, server.replica)
        with pytest.raises(EngineUnreachableError):
            await post(engines, server.replica)
        assert (server.connections, len(server.requests)) == (2, 3)
    await engines.close()


async def test_response_that_has_begun_is_not_repeated():
    engines = EngineClient()
    async with wire([OK, b"HTTP/1.1 200"], [OK]) as server:
        await post(engines, server.replica)
        with pytest.raises(EngineUnreachableError):
            await post(engines, server.replica)
        assert server.connections == 1
    await engines.close()


async def test_unread_response_holds_the_engine_back():
    engines = EngineClient()
    size = 200 * 2**20
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size

    async def serve(reader, writer):
        await reader.readuntil(BODY)
        writer.write(head)
        for _ in range(size // 2**20):
            writer.write(bytes(2**20))
            await writer.drain()
            sent.append(1)
        writer.close()

    sent = []
    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, wire([OK]) as server:
        replica = type(server.replica)(run_uid="s", base_url=url, api_key="key")
        async with engines.post(replica, PATH, BODY) as response:
            count = -1
            while count != len(sent):
                count = len(sent)
                await asyncio.sleep(0.2)
            assert count < 100
            received = 0
            while content := await response.read():
                received += len(content)
        assert received == size
    await engines.close()
