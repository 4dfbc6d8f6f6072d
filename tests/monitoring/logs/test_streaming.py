"""Logs that are followed over HTTP, on a real server."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from django.core.asgi import get_asgi_application

from models_app.enums import RunState
from models_app.models import ApiToken
from monitoring.live.admission import Timing
from monitoring.logs import streaming
from monitoring.logs.feeds import FEEDS
from tests.builders import a_token, a_user
from tests.gateway.client import serving, until
from tests.monitoring.logs.log_writer import LogWriter
from tests.monitoring.sockets import in_database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def writer():
    return await in_database(LogWriter)


@pytest.fixture
async def token():
    return await in_database(a_token, await in_database(a_user, "viewer"))


@pytest.fixture
async def address():
    async with serving(get_asgi_application()) as address:
        yield address
    await FEEDS.close()


class Response:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.text = ""

    async def head(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), head.decode().lower()

    async def read(self):
        """The next chunk; empty: there is no more."""
        size = int(await self.reader.readline(), 16)
        self.text += (await self.reader.readexactly(size + 2))[:-2].decode()
        return size

    async def until(self, text):
        async with asyncio.timeout(5):
            while self.text != text:
                assert await self.read(), self.text

    async def has_ended(self):
        async with asyncio.timeout(5):
            while await self.read():
                continue

    def leave(self):
        self.writer.close()


@asynccontextmanager
async def get_log(address, token, query, language="en"):
    reader, writer = await asyncio.open_connection(*address)
    head = (
        f"GET /api/models/smol/logs?{query} HTTP/1.1\r\nHost: platform.localhost\r\n"
        f"Authorization: Bearer {token}\r\nAccept-Language: {language}\r\n\r\n"
    )
    writer.write(head.encode())
    response = Response(reader, writer)
    try:
        yield response
    finally:
        response.leave()
        await writer.wait_closed()


async def test_stream_ends_with_the_reason_of_the_run(address, token, writer):
    writer.write_lines("one", "two", "three")
    async with get_log(address, token, "follow=true&tail=2") as response:
        status, head = await response.head()
        assert (status, "text/plain; charset=utf-8" in head) == (200, True)
        await response.until("two\nthree\n")
        writer.write_lines("four")
        await response.until("two\nthree\nfour\n")
        await in_database(writer.end, "killed")
        await response.has_ended()
    end = "--- The engine was killed by another process.\n"
    assert response.text == f"two\nthree\nfour\n{end}"
    await until(lambda: not streaming.STREAM_LIMIT.active)


async def test_reason_is_in_the_readers_language(address, token):
    writer = await in_database(LogWriter, RunState.ENDED, end_code="killed")
    writer.write_lines("one")
    async with get_log(address, token, "follow=1", "zh-hans") as response:
        await response.head()
        await response.has_ended()
    assert response.text.startswith("one\n--- ")
    assert "engine" not in response.text


async def test_search_filters_lines(address, token, writer):
    async with get_log(address, token, "follow=1&search=ERROR") as response:
        await response.head()
        writer.write_lines("error: one", "fine", "Error: two")
        await response.until("error: one\nError: two\n")


async def test_disconnect_ends_the_feed(address, token, writer):
    writer.write_lines("one")
    async with get_log(address, token, "follow=1") as response:
        await response.head()
        await response.until("one\n")
        assert FEEDS._feeds
    await until(lambda: not FEEDS._feeds and not streaming.STREAM_LIMIT.active)


@pytest.fixture
def looks_always():
    usual = streaming.ADMISSION.timing
    streaming.ADMISSION.timing = Timing(period_s=0)
    yield
    streaming.ADMISSION.timing = usual


async def test_revoked_token_ends_the_stream(address, token, writer, looks_always):
    writer.write_lines("one")
    async with get_log(address, token, "follow=1") as response:
        await response.head()
        await response.until("one\n")
        await in_database(ApiToken.objects.all().delete)
        writer.write_lines("two")
        await response.has_ended()
    assert response.text == "one\n"


async def test_streams_per_user_are_limited(address, token, writer):
    writer.write_lines("one")
    async with AsyncExitStack() as open_answers:
        for _ in range(streaming.STREAM_LIMIT.per_user):
            context = get_log(address, token, "follow=1")
            response = await open_answers.enter_async_context(context)
            assert (await response.head())[0] == 200
            await response.until("one\n")
        async with get_log(address, token, "follow=1") as refused:
            assert (await refused.head())[0] == 429
    await until(lambda: not streaming.STREAM_LIMIT.active)
