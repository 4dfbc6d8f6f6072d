"""Samples of one process, added up in memory and written a bucket at a time."""

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
from monitoring.history.sources import Described, Key, Sources
from monitoring.history.space import Space
from monitoring.metrics import METRICS
from monitoring.models import Bucket10s

logger = logging.getLogger(__name__)

WIDTH_S = Bucket10s.WIDTH_S
# Kept of each source while the database is away: an hour.
KEPT_BUCKETS = 360


@dataclass(slots=True)
class OpenBucket:
    """changes counts samples; written is what changes was in what the database has."""

    start: int
    writer: str
    values: bucket_values.Values = field(default_factory=dict)
    changes: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A bucket as it was when taken; the bucket itself may grow meanwhile."""

    described: Described
    metrics: frozenset[str]
    bucket: OpenBucket
    changes: int
    values: str


class Recorder:
    """All methods but write() belong to one thread or loop. An event loop does

        rows = recorder.take()
        if await to_thread(recorder.write, rows):
            recorder.written(rows)

    and whoever may block calls flush(). A process that dies loses what it measured
    since its last flush, of the open bucket only if it flushes at least each 10 s.

    Whoever counts says 0 too: where there is no row, nobody looked.
    """

    def __init__(self, role: str, clock: Callable[[], float] = time.time) -> None:
        self.role = role[:16]
        self.clock = clock
        self.sources = Sources()
        self.space = Space()
        self.described: dict[Key, Described] = {}
        self.buckets: dict[Key, list[OpenBucket]] = {}
        self.failing = False
        self._begin_writing()

    def _begin_writing(self) -> None:
        """A writer never comes to a bucket that it has written and forgotten: its row
        would replace the one that is there. So after the wall clock jumped backwards
        it goes on under another name, and readers add up the two."""
        self.writer = f"{self.role}-{os.getpid()}-{secrets.token_hex(4)}"
        self.forgotten_before = 0

    # samples

    def add(
        self,
        kind: str,
        key: str,
        name: str,
        values: Mapping[str, float | None],
        node: str = "",
        at: float | None = None,
    ) -> None:
        """Gauges, and increments of counters; None and what is no number are not
        known, and left out."""
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
        """What was added up elsewhere, within one bucket."""
        bucket = self._bucket(kind, key, name, None, at)
        bucket.values = bucket_values.merge([bucket.values, values])
        bucket.changes += len(values)

    def _bucket(
        self, kind: str, key: str, name: str, node: str | None, at: float | None
    ) -> OpenBucket:
        source = kind, key
        known = self.described.get(source)
        if known is None or known.name != name or node not in (None, known.node):
            node = node if node is not None else known.node if known else ""
            self.described[source] = Described(kind, key, name, node)
        start = _start_of(self.clock() if at is None else at)
        if start < self.forgotten_before:
            self._begin_writing()
        held = self.buckets.setdefault(source, [])
        for bucket in reversed(held):
            if bucket.start == start and bucket.writer == self.writer:
                return bucket
        held.append(OpenBucket(start, self.writer))
        return held[-1]

    # rows

    def flush(self, *, unfinished: bool = True) -> bool:
        """unfinished: also what may still change. False if nothing could be written:
        it is kept and tried again."""
        rows = self.take(unfinished=unfinished)
        done = self.write(rows)
        if done:
            self.written(rows)
        return done

    def take(self, *, unfinished: bool = True) -> list[Row]:
        self._drop_oldest()
        now = self.clock()
        return [
            self._row(self.described[source], bucket)
            for source, held in self.buckets.items()
            for bucket in held
            if bucket.changes != bucket.written
            and (unfinished or self._is_closed(bucket, now))
        ]

    def _row(self, described: Described, bucket: OpenBucket) -> Row:
        text = bucket_values.as_text(bucket.values)
        return Row(described, frozenset(bucket.values), bucket, bucket.changes, text)

    def write(self, rows: list[Row]) -> bool:
        """One transaction. The rows are whole buckets, so writing them twice is the
        same as once."""
        if not rows:
            return True
        try:
            if self.space.is_short():
                return False
            with transaction.atomic():
                self._upsert(rows)
        except DatabaseError as error:
            self._failed(error)
            return False
        self.failing = False
        return True

    def written(self, rows: Iterable[Row]) -> None:
        for row in rows:
            row.bucket.written = row.changes
        self._forget()

    def _upsert(self, rows: list[Row]) -> None:
        now = int(self.clock())
        ids = self.sources.ids([(row.described, row.metrics) for row in rows], now)
        Bucket10s.objects.bulk_create(
            [
                Bucket10s(
                    source_id=ids[row.described.source],
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

    def _failed(self, error: DatabaseError) -> None:
        if not self.failing:
            logger.error("history: kept in memory, the database is away: %s", error)
        self.failing = True
        # Somebody may have deleted a source that was known.
        self.sources.forget()
        if not connection.in_atomic_block:
            close_old_connections()

    # what need not be kept

    def _is_closed(self, bucket: OpenBucket, now: float) -> bool:
        return bucket.writer != self.writer or bucket.start + WIDTH_S <= now

    def _forget(self) -> None:
        """Samples may come late by some seconds: the bucket before this one stays."""
        horizon = _start_of(self.clock()) - WIDTH_S
        self.forgotten_before = max(self.forgotten_before, horizon)
        for source, held in list(self.buckets.items()):
            kept = [
                bucket
                for bucket in held
                if bucket.changes != bucket.written
                or (bucket.start >= horizon and bucket.writer == self.writer)
            ]
            self._keep(source, kept)

    def _drop_oldest(self) -> None:
        for source, held in list(self.buckets.items()):
            dropped = held[:-KEPT_BUCKETS]
            if dropped:
                newest = max(bucket.start for bucket in dropped) + WIDTH_S
                self.forgotten_before = max(self.forgotten_before, newest)
                self._keep(source, held[-KEPT_BUCKETS:])

    def _keep(self, source: Key, buckets: list[OpenBucket]) -> None:
        self.buckets[source] = buckets
        if not buckets:
            del self.buckets[source], self.described[source]


def _start_of(at: float) -> int:
    return int(at) // WIDTH_S * WIDTH_S
