"""Aggregate the samples of one process in memory and write them bucket by bucket."""

from __future__ import annotations

import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from django.db import DatabaseError, close_old_connections, connection, transaction

from monitoring.history.aggregation import bucket_values
from monitoring.history.sources import SourceCache, SourceInfo, SourceKey
from monitoring.history.space import FreeSpaceCheck
from monitoring.metrics import METRICS
from monitoring.models import Bucket10s

logger = logging.getLogger(__name__)

WIDTH_S = Bucket10s.WIDTH_S
# Buffered per source while the database is down: one hour.
MAX_BUCKETS = 360


@dataclass(slots=True)
class OpenBucket:
    """changes: number of samples. written: value of changes when last written to the
    database."""

    start: int
    writer: str
    values: bucket_values.Values = field(default_factory=dict)
    changes: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """Snapshot of a bucket, which may grow while the row is written."""

    source: SourceInfo
    metrics: frozenset[str]
    bucket: OpenBucket
    changes: int
    values: str


class Recorder:
    """All methods except write() belong to one thread or event loop. An event loop runs

        rows = recorder.pending_rows()
        if await to_thread(recorder.write, rows):
            recorder.mark_written(rows)

    and code that may block calls flush(). A killed process loses what it has measured
    since its last flush.

    Record zeros too: a missing row means that nothing was measured.
    """

    def __init__(self, role: str, clock: Callable[[], float] = time.time) -> None:
        self.role = role[:16]
        self.clock = clock
        self.sources = SourceCache()
        self.free_space = FreeSpaceCheck()
        self.infos: dict[SourceKey, SourceInfo] = {}
        self.buckets: dict[SourceKey, list[OpenBucket]] = {}
        self.failing = False
        self._start_writer()

    def _start_writer(self) -> None:
        """A writer must not write a bucket again after discarding it, because its row
        would replace the existing one. After the wall clock has jumped backwards, the
        recorder therefore continues under a new name; readers sum both rows."""
        self.writer = f"{self.role}-{os.getpid()}-{secrets.token_hex(4)}"
        self.discarded_before = 0

    def add(
        self,
        kind: str,
        key: str,
        name: str,
        values: Mapping[str, float | None],
        node: str = "",
        at: float | None = None,
    ) -> None:
        """values: gauges and increments of counters. None, NaN and infinities mean
        unknown and are left out."""
        bucket = self._bucket(kind, key, name, node, at)
        for metric, sample in values.items():
            if sample is None or not math.isfinite(sample):
                continue
            if sample < 0 and METRICS[metric].kind == "counter":
                continue
            bucket_values.add_number(bucket.values, metric, sample)
            bucket.changes += 1

    def observe(
        self, kind: str, key: str, name: str, metric: str, seconds: float
    ) -> None:
        bucket = self._bucket(kind, key, name, None, None)
        bucket_values.add_duration(bucket.values, metric, max(0.0, seconds))
        bucket.changes += 1

    def merge(
        self,
        kind: str,
        key: str,
        name: str,
        values: bucket_values.Values,
        at: float | None = None,
    ) -> None:
        """Add values that were aggregated elsewhere within one bucket."""
        bucket = self._bucket(kind, key, name, None, at)
        bucket.values = bucket_values.merge([bucket.values, values])
        bucket.changes += len(values)

    def _bucket(
        self, kind: str, key: str, name: str, node: str | None, at: float | None
    ) -> OpenBucket:
        source = kind, key
        known = self.infos.get(source)
        if known is None or known.name != name or node not in (None, known.node):
            node = node if node is not None else known.node if known else ""
            self.infos[source] = SourceInfo(kind, key, name, node)
        start = _bucket_start(self.clock() if at is None else at)
        if start < self.discarded_before:
            self._start_writer()
        buckets = self.buckets.setdefault(source, [])
        for bucket in reversed(buckets):
            if bucket.start == start and bucket.writer == self.writer:
                return bucket
        buckets.append(OpenBucket(start, self.writer))
        return buckets[-1]

    def flush(self, *, include_open: bool = True) -> bool:
        """include_open: also write buckets that may still change. Returns False if the
        write failed; the samples are kept for the next flush."""
        rows = self.pending_rows(include_open=include_open)
        ok = self.write(rows)
        if ok:
            self.mark_written(rows)
        return ok

    def pending_rows(self, *, include_open: bool = True) -> list[Row]:
        self._drop_oldest()
        now = self.clock()
        return [
            self._row(self.infos[source], bucket)
            for source, buckets in self.buckets.items()
            for bucket in buckets
            if bucket.changes != bucket.written
            and (include_open or self._is_closed(bucket, now))
        ]

    def _row(self, source: SourceInfo, bucket: OpenBucket) -> Row:
        text = bucket_values.as_text(bucket.values)
        return Row(source, frozenset(bucket.values), bucket, bucket.changes, text)

    def write(self, rows: list[Row]) -> bool:
        """One transaction. Idempotent, because rows are whole buckets."""
        if not rows:
            return True
        try:
            if self.free_space.is_low():
                return False
            with transaction.atomic():
                self._upsert(rows)
        except DatabaseError as error:
            self._log_failure(error)
            return False
        self.failing = False
        return True

    def mark_written(self, rows: Iterable[Row]) -> None:
        for row in rows:
            row.bucket.written = row.changes
        self._discard_old()

    def _upsert(self, rows: list[Row]) -> None:
        now = int(self.clock())
        ids = self.sources.resolve([(row.source, row.metrics) for row in rows], now)
        Bucket10s.objects.bulk_create(
            [
                Bucket10s(
                    source_id=ids[row.source.source_key],
                    start=row.bucket.start,
                    writer=row.bucket.writer,
                    values=row.values,
                    touched=now,
                )
                for row in rows
            ],
            update_conflicts=True,
            unique_fields=["source", "start", "writer"],
            update_fields=["values", "touched"],
        )

    def _log_failure(self, error: DatabaseError) -> None:
        if not self.failing:
            logger.error("database unavailable, keeping history in memory: %s", error)
        self.failing = True
        # A cached source may have been deleted.
        self.sources.clear()
        if not connection.in_atomic_block:
            close_old_connections()

    def _is_closed(self, bucket: OpenBucket, now: float) -> bool:
        return bucket.writer != self.writer or bucket.start + WIDTH_S <= now

    def _discard_old(self) -> None:
        """Keeps the previous bucket, because samples may arrive some seconds late."""
        horizon = _bucket_start(self.clock()) - WIDTH_S
        self.discarded_before = max(self.discarded_before, horizon)
        for source, buckets in list(self.buckets.items()):
            remaining = [
                bucket
                for bucket in buckets
                if bucket.changes != bucket.written
                or (bucket.start >= horizon and bucket.writer == self.writer)
            ]
            self._replace(source, remaining)

    def _drop_oldest(self) -> None:
        for source, buckets in list(self.buckets.items()):
            dropped = buckets[:-MAX_BUCKETS]
            if dropped:
                newest = max(bucket.start for bucket in dropped) + WIDTH_S
                self.discarded_before = max(self.discarded_before, newest)
                self._replace(source, buckets[-MAX_BUCKETS:])

    def _replace(self, source: SourceKey, buckets: list[OpenBucket]) -> None:
        self.buckets[source] = buckets
        if not buckets:
            del self.buckets[source], self.infos[source]


def _bucket_start(at: float) -> int:
    return int(at) // WIDTH_S * WIDTH_S
