"""Sockets stay open only as long as their owner may hear what they hear.

Belongs to the event loop of its first use. All sockets of a process are looked up
together: every few seconds, and soon after a notice that something changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from typing import cast

from channels.db import database_sync_to_async

from monitoring.live.permissions import NOTHING, Credential, Topics, topics_of

_look_up = cast(
    "Callable[[Collection[Credential]], Awaitable[dict[Credential, Topics]]]",
    database_sync_to_async(topics_of),
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """gap_s: between two looks, however many notices come."""

    period_s: float = 5.0
    gap_s: float = 1.0


USUAL = Pace()


@dataclass(frozen=True, slots=True, eq=False)
class Guest:
    credential: Credential
    topics: Topics
    leave: Callable[[], None]


class Admission:
    def __init__(self, pace: Pace = USUAL) -> None:
        self.pace = pace
        self._guests: set[Guest] = set()
        self._task: asyncio.Task[None] | None = None
        self._due = asyncio.Event()
        self._database_away = False

    async def topics(self, credential: Credential) -> Topics:
        return (await _look_up([credential])).get(credential, NOTHING)

    @contextlib.contextmanager
    def inside(self, guest: Guest) -> Iterator[None]:
        """leave() is called, once, when the owner may no longer hear all of the
        topics."""
        self._start()
        self._guests.add(guest)
        try:
            yield
        finally:
            self._guests.discard(guest)

    def look_soon(self) -> None:
        self._due.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._task = None

    def _start(self) -> None:
        if self._task is None:
            self._due = asyncio.Event()
            self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.pace.gap_s)
            with contextlib.suppress(TimeoutError):
                rest = self.pace.period_s - self.pace.gap_s
                await asyncio.wait_for(self._due.wait(), rest)
            self._due.clear()
            try:
                await self._look()
            except Exception as error:
                # Whatever it is, the next look may work.
                self._miss_database(error)
            else:
                self._database_away = False

    async def _look(self) -> None:
        """While the database is away nobody could be shut out there either."""
        guests = list(self._guests)
        if not guests:
            return
        credentials = {guest.credential for guest in guests}
        found = await _look_up(credentials)
        for guest in guests:
            if not guest.topics <= found.get(guest.credential, NOTHING):
                self._guests.discard(guest)
                guest.leave()

    def _miss_database(self, error: Exception) -> None:
        if not self._database_away:
            logger.error("database: %s; open sockets stay so", error, exc_info=error)
        self._database_away = True
