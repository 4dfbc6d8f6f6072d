"""Logs that are followed over HTTP, on a real server."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from django.core.asgi import get_asgi_application

from models_app.enums import RunState
from models_app.models import ApiToken
from monitoring.live.admission import Pace
from monitoring.logs import streaming
from monitoring.logs.feeds import FEEDS
from tests.builders import a_token, a_user
from tests.gateway.client import serving, until
from tests.monitoring.logs.writing import Writing
from tests.monitoring.sockets import in_database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def writing():
    return await in_database(Writing)


@pytest.fixture
async def token():
    return await in_database(a_token, await in_database(a_user, "viewer"))


@pytest.fixture
async def address():
    async with serving(get_asgi_application()) as address:
        yield address
    await FEEDS.close()


class Answer:
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

    async def is_over(self):
        async with asyncio.timeout(5):
            while await self.read():
                continue

    def leave(self):
        self.writer.close()


@asynccontextmanager
async def asked(address, token, query, language="en"):
    reader, writer = await asyncio.open_connection(*address)
    head = (
        f"GET /api/models/smol/logs?{query} HTTP/1.1\r\nHost: platform.localhost\r\n"
        f"Authorization: Bearer {token}\r\nAccept-Language: {language}\r\n\r\n"
    )
    writer.write(head.encode())
    answer = Answer(reader, writer)
    try:
        yield answer
    finally:
        answer.leave()
        await writer.wait_closed()


async def test_text_grows_until_the_run_ends_and_says_why(address, token, writing):
    writing.say("one", "two", "three")
    async with asked(address, token, "follow=true&tail=2") as answer:
        status, head = await answer.head()
        assert (status, "text/plain; charset=utf-8" in head) == (200, True)
        await answer.until("two\nthree\n")
        writing.say("four")
        await answer.until("two\nthree\nfour\n")
        await in_database(writing.end, "killed")
        await answer.is_over()
    end = "--- The engine was killed from outside.\n"
    assert answer.text == f"two\nthree\nfour\n{end}"
    await until(lambda: not streaming.PLACES.taken)


async def test_words_are_those_of_the_reader(address, token):
    writing = await in_database(Writing, RunState.ENDED, end_code="killed")
    writing.say("one")
    async with asked(address, token, "follow=1", "zh-hans") as answer:
        await answer.head()
        await answer.is_over()
    assert answer.text.startswith("one\n--- ")
    assert "engine" not in answer.text


async def test_search_leaves_other_lines_out(address, token, writing):
    async with asked(address, token, "follow=1&search=ERROR") as answer:
        await answer.head()
        writing.say("error: one", "fine", "Error: two")
        await answer.until("error: one\nError: two\n")


async def test_client_that_leaves_is_forgotten(address, token, writing):
    writing.say("one")
    async with asked(address, token, "follow=1") as answer:
        await answer.head()
        await answer.until("one\n")
        assert FEEDS._feeds
    await until(lambda: not FEEDS._feeds and not streaming.PLACES.taken)


@pytest.fixture
def looks_always():
    usual = streaming.ADMISSION.pace
    streaming.ADMISSION.pace = Pace(period_s=0)
    yield
    streaming.ADMISSION.pace = usual


async def test_nothing_new_is_told_once_the_token_is_gone(
    address, token, writing, looks_always
):
    writing.say("one")
    async with asked(address, token, "follow=1") as answer:
        await answer.head()
        await answer.until("one\n")
        await in_database(ApiToken.objects.all().delete)
        writing.say("two")
        await answer.is_over()
    assert answer.text == "one\n"


async def test_each_user_may_follow_so_many(address, token, writing):
    writing.say("one")
    async with AsyncExitStack() as open_answers:
        for _ in range(streaming.PLACES.each):
            context = asked(address, token, "follow=1")
            answer = await open_answers.enter_async_context(context)
            assert (await answer.head())[0] == 200
            await answer.until("one\n")
        async with asked(address, token, "follow=1") as refused:
            assert (await refused.head())[0] == 429
    await until(lambda: not streaming.PLACES.taken)
