"""Close websockets whose user has lost access to their topics.

Belongs to the event loop of its first use. All websockets of a process are checked
together: every few seconds, and soon after a change.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from typing import cast

from channels.db import database_sync_to_async

from monitoring.live.permissions import (
    NO_TOPICS,
    Credential,
    Topics,
    allowed_topics,
    topics_to_open,
)

_load_topics = cast(
    "Callable[[Collection[Credential]], Awaitable[dict[Credential, Topics]]]",
    database_sync_to_async(allowed_topics),
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """period_s: between two checks; users without access receive for no longer than
    that. gap_s: its minimum."""

    period_s: float = 1.5
    gap_s: float = 0.5


DEFAULT_TIMING = Timing()


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    credential: Credential
    topics: Topics
    revoke: Callable[[], None]


class Admission:
    def __init__(self, timing: Timing = DEFAULT_TIMING) -> None:
        self.timing = timing
        self._connections: set[Connection] = set()
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._is_database_down = False

    async def topics(self, credential: Credential) -> Topics:
        topics: Topics = await database_sync_to_async(topics_to_open)(credential)
        return topics

    @contextlib.contextmanager
    def watch(self, connection: Connection) -> Iterator[None]:
        """Calls revoke() once, when the user may no longer receive all topics."""
        self._start()
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)

    def check_soon(self) -> None:
        self._changed.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._task = None

    def _start(self) -> None:
        if self._task is None:
            self._changed = asyncio.Event()
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.timing.gap_s)
            with contextlib.suppress(TimeoutError):
                rest = self.timing.period_s - self.timing.gap_s
                async with asyncio.timeout(rest):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self._check()
            except Exception as error:
                # Whatever the cause, the next check may succeed.
                self._log_database_error(error)
            else:
                self._is_database_down = False

    async def _check(self) -> None:
        """Fails while the database is down: then connections stay open."""
        connections = list(self._connections)
        if not connections:
            return
        credentials = {connection.credential for connection in connections}
        allowed = await _load_topics(credentials)
        for connection in connections:
            if not connection.topics <= allowed.get(connection.credential, NO_TOPICS):
                self._connections.discard(connection)
                connection.revoke()

    def _log_database_error(self, error: Exception) -> None:
        if not self._is_database_down:
            logger.error(
                "database unavailable, keeping websockets open: %s",
                error,
                exc_info=error,
            )
        self._is_database_down = True
