"""Follow the log of a run as it grows.

Each process reads a log once for all its followers, and only while there are any.
Belongs to the event loop of its first use. Followers share a buffer of the newest
lines; one that reads too slowly skips some and learns how many.
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

BUFFER_LINES = 10_000
BUFFER_CHARS = 2 * 2**20
BATCH_LINES = 1000
MAX_FOLLOWERS = 200  # per process
GAP = "⋯"  # stands for lines that rotation removed before they were read
# A hanging container daemon can occupy a thread for several seconds.
THREADS = ThreadPoolExecutor(4, thread_name_prefix="logs")


class TooManyFollowers(Exception):
    """allowed: the limit that has been reached."""

    def __init__(self, allowed: int) -> None:
        super().__init__(f"{allowed} followers already")
        self.allowed = allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """read_s: interval between reads of a log. row_s: between reloads of its run."""

    read_s: float = 0.25
    row_s: float = 1.0


DEFAULT_TIMING = Timing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """partial: the incomplete last line. skipped: lines before these that this follower
    missed."""

    lines: list[str]
    partial: str = ""
    skipped: int = 0


class Feed:
    """The log of one run. run: as last loaded; None if not loaded yet or deleted.
    ended: nothing more will follow."""

    def __init__(self, uid: str, timing: Timing = DEFAULT_TIMING) -> None:
        self.uid = uid
        self.timing = timing
        self.run: Run | None = None
        self.ended = False
        self.partial = ""
        self._lines: deque[str] = deque()
        self._chars = 0
        self._dropped = 0
        self._listeners: set[asyncio.Event] = set()
        self._started = asyncio.Event()
        self._reading: asyncio.Future[Any] | None = None

    async def follow(self, tail: int) -> AsyncGenerator[Batch, None]:
        """Yields the last lines, then new ones until the log ends. Close the generator
        if you stop early."""
        with self._listen() as changed:
            await self._started.wait()
            at, partial = max(self._dropped, self._end - tail), ""
            while True:
                await changed.wait()
                changed.clear()
                ended = self.ended
                while (batch := self._batch(at)) != Batch(lines=[], partial=partial):
                    at += batch.skipped + len(batch.lines)
                    partial = batch.partial
                    yield batch
                if ended:
                    return

    async def read(self) -> None:
        """Reads until the run has ended and its log has been read completely."""
        try:
            await self._read()
        except Exception as error:
            logger.error(
                "cannot follow the log of run %s: %s", self.uid, error, exc_info=error
            )
        finally:
            self.ended = True
            self._started.set()
            self._notify()

    @property
    def _end(self) -> int:
        """Number of the next line."""
        return self._dropped + len(self._lines)

    def _batch(self, at: int) -> Batch:
        first = max(at, self._dropped)
        begin = first - self._dropped
        lines = list(islice(self._lines, begin, begin + BATCH_LINES))
        partial = self.partial if first + len(lines) == self._end else ""
        return Batch(lines=lines, partial=partial, skipped=first - at)

    @contextmanager
    def _listen(self) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        event.set()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)

    async def _read(self) -> None:
        self.run = run = await _load_run(self.uid)
        if run is None:
            return
        reader = reader_of(run, TAIL_BYTES)
        try:
            await self._read_lines(reader, cleaner_of(run))
        finally:
            await self._close(reader)

    async def _read_lines(self, reader: LogReader, cleaner: Cleaner) -> None:
        loaded_at = time.monotonic()
        while True:
            # Load the run before reading, because an engine writes its last lines
            # before its run ends.
            if time.monotonic() - loaded_at >= self.timing.row_s:
                loaded_at = time.monotonic()
                await self._reload_run()
            run_ended = self.run is None or self.run.state == RunState.ENDED
            more = await self._read_some(reader, cleaner)
            if run_ended and not more:
                self._finish(cleaner)
                return
            self._started.set()
            if not run_ended:
                await asyncio.sleep(self.timing.read_s)

    async def _reload_run(self) -> None:
        try:
            self.run = await _load_run(self.uid)
        except DatabaseError as error:
            logger.warning("database unavailable, following logs anyway: %s", error)

    async def _read_some(self, reader: LogReader, cleaner: Cleaner) -> bool:
        """Returns whether anything was read."""

        def step() -> tuple[list[str], str, int]:
            chunk = reader.read(CHUNK_BYTES)
            lines = cleaner.feed(chunk.data)
            gap = [GAP] if chunk.skipped and self._end else []
            return gap + lines, cleaner.partial, len(chunk.data)

        lines, partial, size = await self._run_in_thread(step)
        if size:
            self._append(lines, partial)
        return size > 0

    def _finish(self, cleaner: Cleaner) -> None:
        rest = cleaner.end()
        if not self._end and not rest and self.run:
            rest = kept_lines(self.run).lines
        self._append(rest, "")

    def _append(self, lines: Iterable[str], partial: str) -> None:
        for line in lines:
            self._lines.append(line)
            self._chars += len(line)
        while len(self._lines) > BUFFER_LINES or self._chars > BUFFER_CHARS:
            self._chars -= len(self._lines.popleft())
            self._dropped += 1
        self.partial = partial
        self._notify()

    def _notify(self) -> None:
        for event in self._listeners:
            event.set()

    async def _run_in_thread(self, step: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        self._reading = reading = loop.run_in_executor(THREADS, step)
        return await asyncio.shield(reading)

    async def _close(self, reader: LogReader) -> None:
        """Waits for a thread that may still be reading."""
        if self._reading is not None:
            await asyncio.wait([self._reading])
        reader.close()


class Feeds:
    """All feeds of this process."""

    def __init__(
        self, timing: Timing = DEFAULT_TIMING, limit: int = MAX_FOLLOWERS
    ) -> None:
        self.timing = timing
        self.limit = limit
        self._feeds: dict[str, Feed] = {}
        self._tasks: dict[Feed, asyncio.Task[None]] = {}
        self._followers: Counter[Feed] = Counter()

    @property
    def is_full(self) -> bool:
        return self._followers.total() >= self.limit

    @contextmanager
    def subscribe(self, uid: str) -> Iterator[Feed]:
        """Raises TooManyFollowers."""
        if self.is_full:
            raise TooManyFollowers(self.limit)
        feed = self._feeds.get(uid)
        if feed is None or feed.ended:
            feed = self._start(uid)
        self._followers[feed] += 1
        try:
            yield feed
        finally:
            self._leave(feed)

    async def close(self) -> None:
        """Stops all feeds."""
        for feed in list(self._tasks):
            self._stop(feed)
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _start(self, uid: str) -> Feed:
        feed = self._feeds[uid] = Feed(uid, self.timing)
        # Not in the context of the first follower, which may be a request that ends
        # earlier.
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
        """Cancels only once: a second time would interrupt the closing of its files."""
        task = self._tasks.get(feed)
        if task and not task.cancelling():
            task.cancel()


FEEDS = Feeds()


def _find_run(uid: str) -> Run | None:
    columns = ("uid", "driver", "engine_key", "state", "end_code", "end_params")
    more = ("log_tail", "exit_code", "exit_signal")
    return Run.objects.only(*columns, *more).filter(uid=uid).first()


_load_run = cast(
    "Callable[[str], Awaitable[Run | None]]", database_sync_to_async(_find_run)
)
