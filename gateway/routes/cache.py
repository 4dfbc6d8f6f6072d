"""Keep the routing table fresh: reload it on every change, and periodically.

Belongs to the event loop of its first use. While the broker is silent, the table is
reloaded so often that a revoked token is refused within two seconds. Without the
database, the last table stays in use for a limited time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from django.conf import settings

from common.broker import CHANGES, AsyncClient
from common.subscription import Subscription
from gateway.routes.table import RoutingTable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """period_s, silent_period_s: between reloads, and while the broker is silent.
    gap_s: minimum between two reloads. wait_s: how long a request waits for a
    reload."""

    period_s: float = 5.0
    silent_period_s: float = 0.5
    gap_s: float = 0.1
    unknown_token_gap_s: float = 1.0
    wait_s: float = 5.0


DEFAULT_TIMING = Timing()


class RouteCache:
    def __init__(
        self,
        load: Callable[[], Awaitable[RoutingTable]],
        subscription: Subscription,
        timing: Timing = DEFAULT_TIMING,
        on_load: Callable[[RoutingTable], None] = lambda _table: None,
    ) -> None:
        self._on_load = on_load
        self.table: RoutingTable | None = None
        self.timing = timing
        self._max_age_s = 60 * settings.SERVE_WITHOUT_DATABASE_MINUTES
        self._load = load
        self._subscription = subscription
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._last_load_at = 0.0
        self._loaded_at = 0.0  # when the last load that succeeded began
        self._is_database_down = False
        subscription.subscribe(CHANGES, self._on_change, self._on_connect)

    def start(self) -> None:
        if self._task is not None:
            return
        self._load_attempted = asyncio.Event()
        self._load_lock = asyncio.Lock()
        self._token_lock = asyncio.Lock()
        self._subscription.start()
        self._task = asyncio.create_task(self._reload_periodically())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def current(self) -> RoutingTable | None:
        """None until a load has succeeded, and SERVE_WITHOUT_DATABASE_MINUTES after the
        last one that did."""
        self.start()
        if self.table is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.timing.wait_s):
                    await self._load_attempted.wait()
        elif time.monotonic() - self._loaded_at > self._max_age_s:
            return None
        return self.table

    async def reload_for_token(self, digest: str) -> RoutingTable | None:
        """A table that has the token, or else one loaded after this call. Callers share
        at most one reload per second. None when the database is away or takes too
        long: nobody knows then whether the token is valid."""
        called_at = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.timing.wait_s), self._token_lock:
                async with self._load_lock:
                    pass  # the load in progress may bring the token
                if not self._is_answered(digest, called_at):
                    next_load_at = self._last_load_at + self.timing.unknown_token_gap_s
                    await asyncio.sleep(next_load_at - time.monotonic())
                if not self._is_answered(digest, called_at):
                    await self._reload()
        return self.table if self._is_answered(digest, called_at) else None

    def _is_answered(self, digest: str, called_at: float) -> bool:
        found = self.table is not None and digest in self.table.grants
        return found or self._loaded_at > called_at

    async def _reload_periodically(self) -> None:
        while True:
            await self._reload()
            await asyncio.sleep(self.timing.gap_s)
            await self._wait_for_change()
            self._changed.clear()

    async def _wait_for_change(self) -> None:
        """Or until a reload is due."""
        rest_s = self.timing.period_s - self.timing.gap_s
        while rest_s > 0 and not self._changed.is_set():
            step_s = min(self.timing.silent_period_s, rest_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(step_s):
                    await self._changed.wait()
            rest_s -= step_s
            if not self._subscription.is_current:
                return

    async def _reload(self) -> None:
        async with self._load_lock:
            self._last_load_at = began = time.monotonic()
            try:
                table = await self._load()
                self._on_load(table)
                self.table = table
            except Exception as error:
                # Whatever the cause, requests continue with the last table.
                self._log_database_error(error)
            else:
                self._loaded_at = began
                self._is_database_down = False
            self._load_attempted.set()

    def _log_database_error(self, error: Exception) -> None:
        if not self._is_database_down:
            logger.error(
                "database unavailable, keeping the last routing table: %s",
                error,
                exc_info=error,
            )
        self._is_database_down = True

    def _on_change(self, _message: str) -> None:
        self._changed.set()

    async def _on_connect(self, _client: AsyncClient) -> None:
        """Covers changes made while there was no connection."""
        self._changed.set()
