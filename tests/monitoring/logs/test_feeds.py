import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from models_app.enums import RunState
from models_app.models import Run
from monitoring.logs.feeds import (
    BATCH_LINES,
    KEPT_LINES,
    LOST,
    Feeds,
    Pace,
    TooManyFollowers,
)
from tests.builders import a_run, a_wanted_model
from tests.gateway.client import until
from tests.monitoring.logs.writing import Writing
from tests.monitoring.sockets import in_database

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = Pace(read_s=0.01, row_s=0.05)


@pytest.fixture
async def feeds():
    feeds = Feeds(QUICK)
    yield feeds
    await feeds.close()


@pytest.fixture
async def writing():
    return await in_database(Writing)


class Follower:
    """Takes what is told as soon as it is."""

    def __init__(self, feeds, uid, tail=100):
        self.lines, self.partial, self.skipped = [], "", 0
        self.task = asyncio.create_task(self._follow(feeds, uid, tail))

    async def _follow(self, feeds, uid, tail):
        with feeds.following(uid) as feed:
            async for batch in feed.follow(tail):
                self.lines += batch.lines
                self.partial = batch.partial
                self.skipped += batch.skipped

    async def has(self, *lines):
        await until(lambda: self.lines == list(lines))

    async def is_over(self):
        async with asyncio.timeout(5):
            await self.task

    async def leave(self):
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_last_lines_then_each_that_follows_until_the_run_ends(feeds, writing):
    writing.say("one", "two", "three")
    follower = Follower(feeds, writing.uid, tail=2)
    await follower.has("two", "three")
    writing.write(b"four\nfi")
    await follower.has("two", "three", "four")
    await until(lambda: follower.partial == "fi")
    writing.write(b"ve\nlast words")
    await in_database(writing.end)
    await follower.is_over()
    assert follower.lines == ["two", "three", "four", "five", "last words"]


async def test_log_is_read_once_for_all_and_not_longer_than_for_one(feeds, writing):
    followers = [Follower(feeds, writing.uid) for _ in range(20)]
    writing.say("one")
    for follower in followers:
        await follower.has("one")
    assert len(feeds._tasks) == 1
    for follower in followers:
        await follower.leave()
    await until(lambda: not feeds._tasks)
    assert not feeds._feeds
    again = Follower(feeds, writing.uid)
    writing.say("two")
    await again.has("one", "two")
    await again.leave()


async def test_rotation_is_followed(feeds):
    writing = await in_database(Writing, max_bytes=200)
    follower = Follower(feeds, writing.uid)
    for number in range(100):
        writing.say(f"line {number}")
        await until(lambda: len(follower.lines) == number + 1)  # noqa: B023
    assert follower.lines == [f"line {n}" for n in range(100)]
    await follower.leave()


async def test_what_was_lost_between_two_looks_is_marked(feeds):
    writing = await in_database(Writing, max_bytes=20)
    writing.say("one")
    follower = Follower(feeds, writing.uid)
    await follower.has("one")
    writing.say(*"abcdefghijklmnopqrstuvwxyz")
    await until(lambda: follower.lines[-1] == "z")
    assert LOST in follower.lines
    await follower.leave()


@asynccontextmanager
async def told(feeds, uid):
    with feeds.following(uid) as feed:
        async with aclosing(feed.follow(10)) as batches:
            yield feed, batches


async def test_slow_follower_misses_lines_and_is_told_how_many(feeds, writing):
    writing.say("first")
    lines = [f"line {number}" for number in range(3 * KEPT_LINES)]
    async with told(feeds, writing.uid) as (feed, batches):
        assert (await anext(batches)).lines == ["first"]
        writing.say(*lines)
        await until(lambda: feed._end == 1 + len(lines))
        assert len(feed._lines) <= KEPT_LINES
        got = [await anext(batches) for _ in range(KEPT_LINES // BATCH_LINES)]
    assert [batch.skipped for batch in got] == [2 * KEPT_LINES] + 9 * [0]
    assert [line for batch in got for line in batch.lines] == lines[-KEPT_LINES:]


async def test_endless_line_stays_bounded(feeds, writing):
    follower = Follower(feeds, writing.uid)
    for _ in range(4):
        writing.write(b"x" * 1_000_000)
        await asyncio.sleep(0.02)
    await until(lambda: follower.partial.startswith("xxx"))
    assert len(follower.partial) < 10_000
    await follower.leave()


async def test_ended_run_is_told_whole_and_over(feeds):
    writing = await in_database(Writing, RunState.ENDED)
    writing.say("one", "two")
    follower = Follower(feeds, writing.uid)
    await follower.is_over()
    assert follower.lines == ["one", "two"]


async def test_row_has_the_end_when_the_files_are_gone(feeds):
    def ended():
        return a_run(a_wanted_model(), RunState.ENDED, log_tail="last\nwords")

    follower = Follower(feeds, (await in_database(ended)).uid)
    await follower.is_over()
    assert follower.lines == ["last", "words"]


@pytest.mark.parametrize("begun", [False, True])
async def test_run_that_is_deleted_is_over(feeds, writing, begun):
    if not begun:
        await in_database(Run.objects.all().delete)
    follower = Follower(feeds, writing.uid)
    if begun:
        writing.say("one")
        await follower.has("one")
        await in_database(Run.objects.all().delete)
    await follower.is_over()


async def test_run_that_has_said_nothing_yet_is_waited_for(feeds, writing):
    follower = Follower(feeds, writing.uid)
    await asyncio.sleep(0.1)
    assert not follower.task.done()
    writing.say("at last")
    await follower.has("at last")
    await follower.leave()


async def test_so_many_may_follow(writing):
    feeds = Feeds(QUICK, most=2)
    first, second = (Follower(feeds, writing.uid) for _ in range(2))
    await asyncio.sleep(0)
    assert feeds.full
    with pytest.raises(TooManyFollowers), feeds.following(writing.uid):
        pass
    await first.leave()
    third = Follower(feeds, writing.uid)
    writing.say("one")
    await third.has("one")
    await second.leave()
    await third.leave()
    await feeds.close()


async def test_secret_is_hidden(feeds, writing):
    follower = Follower(feeds, writing.uid)
    writing.say(f"Authorization: Bearer {writing.run.engine_key}")
    await follower.has("Authorization: Bearer ***")
    await follower.leave()
