"""What each token uses of each model, and the writer that adds it to the ledger."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import DatabaseError

from gateway.routes.table import NO_PRICES, Grant, Prices, Route
from monitoring.usage import ledger
from monitoring.usage.ledger import HOUR_S, Entries, Entry, Key

if TYPE_CHECKING:
    from gateway.usage.tracker import RequestStats, Usage

logger = logging.getLogger(__name__)


class UsageByToken:
    """Belongs to the event loop. A request counts in the hour in which it ends."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: dict[Key, Entry] = {}

    def add(self, route: Route, grant: Grant, stats: RequestStats) -> None:
        hour = int(self._clock()) // HOUR_S * HOUR_S
        key = Key(hour, grant.token_id, grant.user_id, route.model_id)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = Entry(
                token_name=grant.token_name,
                user_name=grant.username,
                model_name=route.name,
            )
        entry.requests += 1
        entry.cache_hits += stats.cache_hit
        if failure := stats.failure:
            setattr(entry, failure, getattr(entry, failure) + 1)
        usage = stats.counted_usage
        entry.prompt_tokens += usage.prompt_tokens
        entry.cached_tokens += usage.cached_tokens
        entry.completion_tokens += usage.completion_tokens
        entry.reasoning_tokens += usage.reasoning_tokens
        entry.cost += _cost(usage, route.prices)

    def drain(self) -> dict[Key, Entry]:
        """What was used since the last call."""
        drained, self._entries = self._entries, {}
        return drained


def _cost(usage: Usage, prices: Prices) -> int:
    if prices == NO_PRICES:
        return 0
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    return (
        (usage.prompt_tokens - cached) * prices.input
        + cached * prices.cached_input
        + usage.completion_tokens * prices.output
    )


class LedgerWriter:
    """Belongs to one thread, which may block on the database."""

    def __init__(self) -> None:
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._pending: dict[Key, Entry] = {}
        self._batch: dict[Key, Entry] = {}
        self._number = 0
        self._is_failing = False

    def add(self, entries: Entries) -> None:
        ledger.add_entries(self._pending, entries)

    def write(self) -> bool:
        """Returns False if the database failed. The batch is then kept and written
        again by the next call, unchanged, because it may have been committed."""
        try:
            while self._batch or self._pending:
                self._write_batch()
        except DatabaseError as error:
            if not self._is_failing:
                logger.error("database unavailable, keeping usage in memory: %s", error)
            self._is_failing = True
            return False
        self._is_failing = False
        return True

    def _write_batch(self) -> None:
        if not self._batch:
            self._batch, self._pending = self._pending, {}
            self._number = max(self._number + 1, time.time_ns() // 1_000_000)
        ledger.write(self._name, self._number, self._batch)
        self._batch = {}
