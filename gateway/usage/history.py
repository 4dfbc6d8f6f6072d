"""Write the counts of each interval to history, and usage to the ledger.

Belongs to one thread, which may block on the database: intervals queue up meanwhile and
requests are not affected.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from django.db import close_old_connections

from gateway.usage.ledger import LedgerWriter
from gateway.usage.tokens import LastUseWriter
from gateway.usage.tracker import Counts
from monitoring.history.recorder import Recorder
from monitoring.metrics import COUNTERS
from monitoring.usage.ledger import Entries

logger = logging.getLogger(__name__)

COUNTER_NAMES = [name for name in COUNTERS["model"] if name in Counts.__slots__]
RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Interval:
    """counts: includes running models without traffic, so that a chart shows 0 and not
    a gap. digests: of tokens that were used."""

    at: float
    counts: Mapping[int, Counts]
    names: Mapping[int, str]
    usage: Entries = field(default_factory=dict)
    digests: Set[str] = frozenset()


class HistoryWriter:
    def __init__(self, recorder: Recorder) -> None:
        self.queue: deque[Interval] = deque()
        self._recorder = recorder
        self._ledger = LedgerWriter()
        self._last_use = LastUseWriter()
        self._has_unwritten_traffic = False
        self._retry_at = 0.0

    def write(self, *, force: bool = False) -> None:
        """Traffic is written at once, zeros when their bucket is complete. force: write
        everything now, even after a recent failure."""
        while self.queue:
            self._add(self.queue.popleft())
        if time.monotonic() < self._retry_at and not force:
            return
        close_old_connections()
        try:
            self._flush(force)
        except Exception:
            # Whatever the cause, the next interval retries.
            logger.exception("cannot write traffic to history or usage")
            self._retry_at = time.monotonic() + RETRY_S
        finally:
            close_old_connections()

    def _flush(self, force: bool) -> None:
        include_open = self._has_unwritten_traffic or force
        is_usage_written = self._ledger.write() and self._last_use.write()
        if is_history_written := self._recorder.flush(include_open=include_open):
            self._has_unwritten_traffic = False
        if not (is_usage_written and is_history_written):
            self._retry_at = time.monotonic() + RETRY_S

    def _add(self, interval: Interval) -> None:
        self._ledger.add(interval.usage)
        self._last_use.add(interval.digests, interval.at)
        for model_id, counts in interval.counts.items():
            name = interval.names.get(model_id, str(model_id))
            source = "model", str(model_id), name
            values = {name: getattr(counts, name) for name in COUNTER_NAMES}
            self._recorder.add(*source, values, at=interval.at)
            self._recorder.merge(*source, counts.durations, at=interval.at)
            self._has_unwritten_traffic |= any(values.values())
