import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from models_app.enums import RunState
from models_app.models import Run
from monitoring.logs.feeds import (
    BATCH_LINES,
    BUFFER_LINES,
    GAP,
    Feeds,
    Timing,
    TooManyFollowers,
)
from tests.builders import a_run, a_wanted_model
from tests.gateway.client import until
from tests.monitoring.logs.log_writer import LogWriter
from tests.monitoring.sockets import in_database

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = Timing(read_s=0.01, row_s=0.05)


@pytest.fixture
async def feeds():
    feeds = Feeds(QUICK)
    yield feeds
    await feeds.close()


@pytest.fixture
async def writer():
    return await in_database(LogWriter)


class Follower:
    """Collects batches as they arrive."""

    def __init__(self, feeds, uid, tail=100):
        self.lines, self.partial, self.skipped = [], "", 0
        self.task = asyncio.create_task(self._follow(feeds, uid, tail))

    async def _follow(self, feeds, uid, tail):
        with feeds.subscribe(uid) as feed:
            async for batch in feed.follow(tail):
                self.lines += batch.lines
                self.partial = batch.partial
                self.skipped += batch.skipped

    async def has(self, *lines):
        await until(lambda: self.lines == list(lines))

    async def has_ended(self):
        async with asyncio.timeout(5):
            await self.task

    async def leave(self):
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_last_lines_then_new_ones_until_the_run_ends(feeds, writer):
    writer.write_lines("one", "two", "three")
    follower = Follower(feeds, writer.uid, tail=2)
    await follower.has("two", "three")
    writer.write(b"four\nfi")
    await follower.has("two", "three", "four")
    await until(lambda: follower.partial == "fi")
    writer.write(b"ve\nlast line")
    await in_database(writer.end)
    await follower.has_ended()
    assert follower.lines == ["two", "three", "four", "five", "last line"]


async def test_log_is_read_once_for_all_followers(feeds, writer):
    followers = [Follower(feeds, writer.uid) for _ in range(20)]
    writer.write_lines("one")
    for follower in followers:
        await follower.has("one")
    assert len(feeds._tasks) == 1
    for follower in followers:
        await follower.leave()
    await until(lambda: not feeds._tasks)
    assert not feeds._feeds
    again = Follower(feeds, writer.uid)
    writer.write_lines("two")
    await again.has("one", "two")
    await again.leave()


async def test_rotation_is_followed(feeds):
    writer = await in_database(LogWriter, max_bytes=200)
    follower = Follower(feeds, writer.uid)
    for number in range(100):
        writer.write_lines(f"line {number}")
        await until(lambda: len(follower.lines) == number + 1)  # noqa: B023
    assert follower.lines == [f"line {n}" for n in range(100)]
    await follower.leave()


async def test_lines_lost_to_rotation_are_marked(feeds):
    writer = await in_database(LogWriter, max_bytes=20)
    writer.write_lines("one")
    follower = Follower(feeds, writer.uid)
    await follower.has("one")
    writer.write_lines(*"abcdefghijklmnopqrstuvwxyz")
    await until(lambda: follower.lines[-1] == "z")
    assert GAP in follower.lines
    await follower.leave()


@asynccontextmanager
async def subscribed(feeds, uid):
    with feeds.subscribe(uid) as feed:
        async with aclosing(feed.follow(10)) as batches:
            yield feed, batches


async def test_slow_follower_learns_how_many_lines_it_skipped(feeds, writer):
    writer.write_lines("first")
    lines = [f"line {number}" for number in range(3 * BUFFER_LINES)]
    async with subscribed(feeds, writer.uid) as (feed, batches):
        assert (await anext(batches)).lines == ["first"]
        writer.write_lines(*lines)
        await until(lambda: feed._end == 1 + len(lines))
        assert len(feed._lines) <= BUFFER_LINES
        got = [await anext(batches) for _ in range(BUFFER_LINES // BATCH_LINES)]
    assert [batch.skipped for batch in got] == [2 * BUFFER_LINES] + 9 * [0]
    assert [line for batch in got for line in batch.lines] == lines[-BUFFER_LINES:]


async def test_endless_line_is_bounded(feeds, writer):
    follower = Follower(feeds, writer.uid)
    for _ in range(4):
        writer.write(b"x" * 1_000_000)
        await asyncio.sleep(0.02)
    await until(lambda: follower.partial.startswith("xxx"))
    assert len(follower.partial) < 10_000
    await follower.leave()


async def test_log_of_an_ended_run_is_complete(feeds):
    writer = await in_database(LogWriter, RunState.ENDED)
    writer.write_lines("one", "two")
    follower = Follower(feeds, writer.uid)
    await follower.has_ended()
    assert follower.lines == ["one", "two"]


async def test_stored_tail_is_used_when_the_files_are_gone(feeds):
    def ended():
        return a_run(a_wanted_model(), RunState.ENDED, log_tail="last\nline")

    follower = Follower(feeds, (await in_database(ended)).uid)
    await follower.has_ended()
    assert follower.lines == ["last", "line"]


@pytest.mark.parametrize("started", [False, True])
async def test_run_that_is_deleted_has_ended(feeds, writer, started):
    if not started:
        await in_database(Run.objects.all().delete)
    follower = Follower(feeds, writer.uid)
    if started:
        writer.write_lines("one")
        await follower.has("one")
        await in_database(Run.objects.all().delete)
    await follower.has_ended()


async def test_empty_log_is_followed(feeds, writer):
    follower = Follower(feeds, writer.uid)
    await asyncio.sleep(0.1)
    assert not follower.task.done()
    writer.write_lines("at last")
    await follower.has("at last")
    await follower.leave()


async def test_number_of_followers_is_limited(writer):
    feeds = Feeds(QUICK, limit=2)
    first, second = (Follower(feeds, writer.uid) for _ in range(2))
    await asyncio.sleep(0)
    assert feeds.is_full
    with pytest.raises(TooManyFollowers), feeds.subscribe(writer.uid):
        pass
    await first.leave()
    third = Follower(feeds, writer.uid)
    writer.write_lines("one")
    await third.has("one")
    await second.leave()
    await third.leave()
    await feeds.close()


async def test_secret_is_hidden(feeds, writer):
    follower = Follower(feeds, writer.uid)
    writer.write_lines(f"Authorization: Bearer {writer.run.engine_key}")
    await follower.has("Authorization: Bearer ***")
    await follower.leave()
