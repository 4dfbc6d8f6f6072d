"""Keep the table fresh: on notice of a change, and every few seconds anyway.

Belongs to the event loop of its first use. A broker that is gone costs latency, a
database that is gone leaves the last table in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from common.broker import CHANNEL
from gateway.routes.table import Table

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """gap_s: between reloads on notice. patience_s: how long a request waits."""

    period_s: float = 5.0
    gap_s: float = 0.1
    unknown_token_gap_s: float = 1.0
    patience_s: float = 5.0
    first_back_off_s: float = 1.0
    longest_back_off_s: float = 30.0


USUAL = Pace()


class Refresh:
    def __init__(
        self,
        load: Callable[[], Awaitable[Table]],
        broker_url: str,
        pace: Pace = USUAL,
    ) -> None:
        self.table: Table | None = None
        self.pace = pace
        self._load = load
        self._broker_url = broker_url
        self._tasks: list[asyncio.Task[None]] = []
        self._began = 0.0
        self._database_away = False
        self._broker_away = False
        self._back_off = self.pace.first_back_off_s

    def start(self) -> None:
        if self._tasks:
            return
        self._tried = asyncio.Event()
        self._due = asyncio.Event()
        self._loading = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._tasks = [
            asyncio.create_task(self._keep()),
            asyncio.create_task(self._listen()),
        ]

    async def close(self) -> None:
        """redis-py swallows a cancellation that comes while it connects, so they may
        need more than one."""
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=0.01)
        self._tasks = []

    async def current(self) -> Table | None:
        """None until a first load has worked."""
        self.start()
        if self.table is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._tried.wait(), self.pace.patience_s)
        return self.table

    async def renewed(self, digest: str) -> Table | None:
        """A table that knows the token, or one read after this call: at most one reload
        a second is made for it, shared by all who ask. The last table when the database
        takes too long."""
        asked = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.pace.patience_s), self._asking:
                async with self._loading:
                    pass  # the one under way may know it
                if not self._knows(digest, asked):
                    next_one = self._began + self.pace.unknown_token_gap_s
                    await asyncio.sleep(next_one - time.monotonic())
                if not self._knows(digest, asked):
                    await self._reload()
        return self.table

    def _knows(self, digest: str, asked: float) -> bool:
        found = self.table is not None and digest in self.table.grants
        return found or self._began > asked

    async def _keep(self) -> None:
        while True:
            await self._reload()
            await asyncio.sleep(self.pace.gap_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(
                    self._due.wait(), self.pace.period_s - self.pace.gap_s
                )
            self._due.clear()

    async def _reload(self) -> None:
        async with self._loading:
            self._began = time.monotonic()
            try:
                self.table = await self._load()
            except Exception as error:
                # Whatever it is, requests go on with the last table.
                self._miss_database(error)
            else:
                self._database_away = False
            self._tried.set()

    def _miss_database(self, error: Exception) -> None:
        if not self._database_away:
            logger.error("database: %s; keeping the last routes", error, exc_info=error)
        self._database_away = True

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except Exception as error:
                # Whatever it is, the timer goes on.
                self._miss_broker(error)
            await asyncio.sleep(self._back_off)
            self._back_off = min(self._back_off * 2, self.pace.longest_back_off_s)

    async def _hear(self) -> None:
        async with Redis.from_url(self._broker_url) as broker, broker.pubsub() as heard:
            await heard.subscribe(CHANNEL)
            # The first message confirms the subscription: what came before it is
            # caught up with by the reload that it brings like any other.
            async for _ in heard.listen():
                self._broker_away = False
                self._back_off = self.pace.first_back_off_s
                self._due.set()

    def _miss_broker(self, error: Exception) -> None:
        if not self._broker_away:
            logger.warning(
                "broker: %s; reloading every %g s only", error, self.pace.period_s
            )
        self._broker_away = True
