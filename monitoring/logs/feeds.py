"""A run's log as it grows: read once in each process, for all who follow it there, and
only while somebody does.

Belongs to the event loop of its first use. The newest lines are kept for all; who takes
them too slowly misses some, and is told how many.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections import Counter, deque
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar, cast

from channels.db import database_sync_to_async
from django.db import DatabaseError

from models_app.enums import RunState
from models_app.models import Run
from runtimes.drivers.base import LogReader
from runtimes.logs.read import (
    CHUNK_BYTES,
    TAIL_BYTES,
    cleaner_of,
    kept_lines,
    reader_of,
)
from runtimes.logs.sanitize import Cleaner

T = TypeVar("T")
logger = logging.getLogger(__name__)

KEPT_LINES = 10_000
KEPT_CHARS = 2 * 2**20
BATCH_LINES = 1000
MOST_FOLLOWERS = 200  # in one process
LOST = "⋯"  # a line in place of those that were lost before they were read
# A driver whose daemon hangs takes a thread for some seconds.
THREADS = ThreadPoolExecutor(4, thread_name_prefix="logs")


class TooManyFollowers(Exception):
    """allowed: how many there are already."""

    def __init__(self, allowed: int) -> None:
        super().__init__(f"{allowed} logs are being followed here")
        self.allowed = allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """read_s: between two looks at a log. row_s: at its run."""

    read_s: float = 0.25
    row_s: float = 1.0


USUAL = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """partial: the line that is not complete yet. skipped: lines before these that this
    follower has missed."""

    lines: list[str]
    partial: str = ""
    skipped: int = 0


class Feed:
    """run: as it was last seen; None: not yet, or it is gone. over: there is no more to
    come."""

    def __init__(self, uid: str, pace: Pace = USUAL) -> None:
        self.uid = uid
        self.pace = pace
        self.run: Run | None = None
        self.over = False
        self.partial = ""
        self._lines: deque[str] = deque()
        self._chars = 0
        self._dropped = 0
        self._news: set[asyncio.Event] = set()
        self._begun = asyncio.Event()
        self._reading: asyncio.Future[Any] | None = None

    async def follow(self, tail: int) -> AsyncGenerator[Batch, None]:
        """The last lines, then each that follows, until it is over. To be closed by who
        does not take all of it."""
        with self._listening() as news:
            await self._begun.wait()
            at, partial = max(self._dropped, self._end - tail), ""
            while True:
                await news.wait()
                news.clear()
                over = self.over
                while (batch := self._from(at)) != Batch(lines=[], partial=partial):
                    at += batch.skipped + len(batch.lines)
                    partial = batch.partial
                    yield batch
                if over:
                    return

    async def read(self) -> None:
        """Until the run has ended, all of it was read, and somebody could hear it."""
        try:
            await self._read()
        except Exception as error:
            logger.error("log of run %s: %s", self.uid, error, exc_info=error)
        finally:
            self.over = True
            self._begun.set()
            self._wake()

    @property
    def _end(self) -> int:
        """Number of the line that comes next."""
        return self._dropped + len(self._lines)

    def _from(self, at: int) -> Batch:
        first = max(at, self._dropped)
        begin = first - self._dropped
        lines = list(islice(self._lines, begin, begin + BATCH_LINES))
        partial = self.partial if first + len(lines) == self._end else ""
        return Batch(lines=lines, partial=partial, skipped=first - at)

    @contextmanager
    def _listening(self) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        event.set()
        self._news.add(event)
        try:
            yield event
        finally:
            self._news.discard(event)

    async def _read(self) -> None:
        self.run = run = await _load(self.uid)
        if run is None:
            return
        reader = reader_of(run, TAIL_BYTES)
        try:
            await self._read_on(reader, cleaner_of(run))
        finally:
            await self._close(reader)

    async def _read_on(self, reader: LogReader, cleaner: Cleaner) -> None:
        seen_at = time.monotonic()
        while True:
            # First: what an engine said last was written before its run ended.
            if time.monotonic() - seen_at >= self.pace.row_s:
                seen_at = time.monotonic()
                await self._look()
            ended = self.run is None or self.run.state == RunState.ENDED
            more = await self._read_some(reader, cleaner)
            if ended and not more:
                self._end_with(cleaner)
                return
            self._begun.set()
            if not ended:
                await asyncio.sleep(self.pace.read_s)

    async def _look(self) -> None:
        try:
            self.run = await _load(self.uid)
        except DatabaseError as error:
            logger.warning("database: %s; logs are followed further", error)

    async def _read_some(self, reader: LogReader, cleaner: Cleaner) -> bool:
        """Whether there was any."""

        def step() -> tuple[list[str], str, int]:
            chunk = reader.read(CHUNK_BYTES)
            lines = cleaner.feed(chunk.data)
            lost = [LOST] if chunk.skipped and self._end else []
            return lost + lines, cleaner.partial, len(chunk.data)

        lines, partial, size = await self._in_thread(step)
        if size:
            self._take(lines, partial)
        return size > 0

    def _end_with(self, cleaner: Cleaner) -> None:
        left = cleaner.end()
        if not self._end and not left and self.run:
            left = kept_lines(self.run).lines
        self._take(left, "")

    def _take(self, lines: Iterable[str], partial: str) -> None:
        for line in lines:
            self._lines.append(line)
            self._chars += len(line)
        while len(self._lines) > KEPT_LINES or self._chars > KEPT_CHARS:
            self._chars -= len(self._lines.popleft())
            self._dropped += 1
        self.partial = partial
        self._wake()

    def _wake(self) -> None:
        for event in self._news:
            event.set()

    async def _in_thread(self, step: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        self._reading = reading = loop.run_in_executor(THREADS, step)
        return await asyncio.shield(reading)

    async def _close(self, reader: LogReader) -> None:
        """A thread may be reading yet."""
        if self._reading is not None:
            await asyncio.wait([self._reading])
        reader.close()


class Feeds:
    """Of one process."""

    def __init__(self, pace: Pace = USUAL, most: int = MOST_FOLLOWERS) -> None:
        self.pace = pace
        self.most = most
        self._feeds: dict[str, Feed] = {}
        self._tasks: dict[Feed, asyncio.Task[None]] = {}
        self._followers: Counter[Feed] = Counter()

    @property
    def full(self) -> bool:
        return self._followers.total() >= self.most

    @contextmanager
    def following(self, uid: str) -> Iterator[Feed]:
        """Raises TooManyFollowers."""
        if self.full:
            raise TooManyFollowers(self.most)
        feed = self._feeds.get(uid)
        if feed is None or feed.over:
            feed = self._begin(uid)
        self._followers[feed] += 1
        try:
            yield feed
        finally:
            self._leave(feed)

    async def close(self) -> None:
        """Ends all that is still followed."""
        for feed in list(self._tasks):
            self._stop(feed)
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _begin(self, uid: str) -> Feed:
        feed = self._feeds[uid] = Feed(uid, self.pace)
        # Not in what surrounds the first follower, who may be a request that is over
        # long before.
        context = contextvars.Context()
        task = asyncio.create_task(feed.read(), context=context)
        task.add_done_callback(lambda _: self._tasks.pop(feed, None))
        self._tasks[feed] = task
        return feed

    def _leave(self, feed: Feed) -> None:
        self._followers[feed] -= 1
        if self._followers[feed]:
            return
        del self._followers[feed]
        self._stop(feed)
        if self._feeds.get(feed.uid) is feed:
            del self._feeds[feed.uid]

    def _stop(self, feed: Feed) -> None:
        """Once: a second time would keep it from closing its files."""
        task = self._tasks.get(feed)
        if task and not task.cancelling():
            task.cancel()


FEEDS = Feeds()


def _found(uid: str) -> Run | None:
    columns = ("uid", "driver", "engine_key", "state", "end_code", "end_params")
    more = ("log_tail", "exit_code", "exit_signal")
    return Run.objects.only(*columns, *more).filter(uid=uid).first()


_load = cast("Callable[[str], Awaitable[Run | None]]", database_sync_to_async(_found))
