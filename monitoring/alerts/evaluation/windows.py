"""The last minutes of every series in memory, by source, bucket and writer. Pure.

Buckets are kept by reference, and so grow while their recorder fills them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from monitoring.history.aggregation.aggregates import FINISH
from monitoring.history.aggregation.bucket_values import (
    Value,
    Values,
    merge_value,
    value_of,
)
from monitoring.metrics import Metric

SourceKey = tuple[str, str]  # kind and key

WIDTH_S = 10
# Of a rule's window
MAX_WINDOW_S = 3600


@dataclass(frozen=True, slots=True)
class Reading:
    """count: samples of a gauge, observations of a distribution, the denominator of a
    ratio; of a counter what was counted."""

    value: float
    count: float


@dataclass(slots=True)
class Closed:
    """What was merged of the buckets from `first` up to `end`, which change no more.
    version: of the source's buckets then."""

    first: int
    end: int
    version: int
    value: Value | None


class Windows:
    """put() all buckets, then forget() old ones and read()."""

    def __init__(self) -> None:
        self.keep_s = 0  # the longest window that is read
        self.names: dict[SourceKey, str] = {}
        self.buckets: dict[SourceKey, dict[int, dict[str, Values]]] = {}
        self.versions: dict[SourceKey, int] = defaultdict(int)
        self.closed: dict[tuple[SourceKey, str, int], Closed] = {}
        # Of the present moment: several rules may look at the same window.
        self.readings: dict[tuple[SourceKey, str, str, int], Reading | None] = {}
        self.read_at = 0

    def put(
        self, source: SourceKey, name: str, start: int, writer: str, values: Values
    ) -> None:
        self.names[source] = name
        by_start = self.buckets.setdefault(source, {})
        by_writer = by_start.setdefault(start, {})
        self.read_at = 0
        if by_writer.get(writer) is not values:
            by_writer[writer] = values
            if start < max(by_start) - WIDTH_S:
                self.versions[source] += 1

    def forget(self, now: float) -> None:
        horizon = now - self.keep_s - 3 * WIDTH_S
        for source, by_start in list(self.buckets.items()):
            for start in [start for start in by_start if start < horizon]:
                del by_start[start]
            if not by_start:
                del self.buckets[source], self.names[source]
                self.versions.pop(source, None)
        for key, closed in list(self.closed.items()):
            if closed.end < horizon:
                del self.closed[key]

    def sources(self, kind: str) -> Iterable[SourceKey]:
        return [source for source in self.buckets if source[0] == kind]

    def read(
        self, source: SourceKey, metric: Metric, aggregate: str, window_s: int, now: int
    ) -> Reading | None:
        """Of the buckets that overlap with the window. None: no data."""
        if now != self.read_at:
            self.readings, self.read_at = {}, now
        key = source, metric.name, aggregate, window_s
        if key not in self.readings:
            self.readings[key] = self._read(source, metric, aggregate, window_s, now)
        return self.readings[key]

    def _read(
        self, source: SourceKey, metric: Metric, aggregate: str, window_s: int, now: int
    ) -> Reading | None:
        value, covered = self._merged(source, metric, window_s, now)
        if value is None:
            return None
        number = FINISH[metric.kind][aggregate](value, max(1, covered))
        if number is None:
            return None
        return Reading(float(number), count_of(value, metric))

    def _merged(
        self, source: SourceKey, metric: Metric, window_s: int, now: int
    ) -> tuple[Value | None, int]:
        by_start = self.buckets.get(source)
        if not by_start:
            return None, 0
        first = (now - window_s) // WIDTH_S * WIDTH_S
        # Gateways may write the bucket before the current one a little late.
        end = now // WIDTH_S * WIDTH_S - WIDTH_S
        value = self._closed(source, metric, window_s, first, end)
        for start in (end, end + WIDTH_S):
            if start >= first and start in by_start:
                value = _merge(value, by_start[start].values(), metric)
        return value, now - first + 1

    def _closed(
        self, source: SourceKey, metric: Metric, window_s: int, first: int, end: int
    ) -> Value | None:
        key = source, metric.name, window_s
        known = self.closed.get(key)
        version = self.versions[source]
        if known and (known.first, known.end, known.version) == (first, end, version):
            return known.value
        value: Value | None = None
        for start, by_writer in self.buckets[source].items():
            if first <= start < end:
                value = _merge(value, by_writer.values(), metric)
        self.closed[key] = Closed(first, end, version, value)
        return value


def _merge(value: Value | None, rows: Iterable[Values], metric: Metric) -> Value | None:
    for values in rows:
        more = value_of(values, metric)
        if more is not None:
            value = more if value is None else merge_value(value, more)
    return value


def count_of(value: Value, metric: Metric) -> float:
    if not isinstance(value, list):
        return sum(value["counts"].values())
    return value[2] if metric.kind == "counter" else value[3]
