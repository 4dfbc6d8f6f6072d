"""Ever-growing totals of counters, computed from history, which is pruned.

A scrape reads stored totals and the rows of the last minutes. Rows that arrive more
than LAG_S late are missing from the totals, but not from history.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson
from django.db import DatabaseError, transaction

from monitoring.history.aggregation.bucket_values import Values, merge
from monitoring.metrics import METRICS
from monitoring.models import Bucket, Bucket1h, Bucket1m, Bucket10s, Source, Total

logger = logging.getLogger(__name__)

LAG_S = 300
ADVANCE_S = 300
HOUR_S = 3600
BATCH = 200  # sources that are advanced together
# Hours older than this have been rolled up, unless the worker was down.
ROLLED_UP_S = 2 * HOUR_S
CUMULATIVE = frozenset({"counter", "histogram"})


@dataclass(frozen=True, slots=True)
class Reading:
    """totals: of counters and histograms. latest: the newest complete bucket of all
    metrics, empty if that is old."""

    totals: Values
    latest: Values


def read(sources: Iterable[Source], now: float) -> dict[int, Reading]:
    """By primary key of the source. Takes two queries, and a few more every few
    minutes."""
    ids = [source.pk for source in sources]
    stored = {total.source_id: total for total in Total.objects.filter(source__in=ids)}
    until = int(now - LAG_S) // HOUR_S * HOUR_S
    late = [
        pk
        for pk in ids
        if pk not in stored or stored[pk].until < now - LAG_S - ADVANCE_S
    ]
    if late:
        stored |= _advance({pk: stored.get(pk) for pk in late}, now)
    until = min((total.until for total in stored.values()), default=until)
    recent = _rows(Bucket10s, ids, until, int(now) + HOUR_S)
    return {pk: _reading(stored[pk], recent.get(pk, {}), now) for pk in ids}


def _reading(stored: Total, recent: Mapping[int, Values], now: float) -> Reading:
    """An open bucket counts towards totals, but is not shown as the latest."""
    newer = [values for start, values in recent.items() if start >= stored.until]
    totals = merge([orjson.loads(stored.values), *map(_cumulative, newer)])
    complete = [s for s in recent if now - 90 <= s and s + Bucket10s.WIDTH_S <= now]
    return Reading(totals, recent[max(complete)] if complete else {})


def _advance(late: Mapping[int, Total | None], now: float) -> dict[int, Total]:
    """Concurrent scrapes may do the same; the first write wins."""
    until = int(now - LAG_S) // Bucket10s.WIDTH_S * Bucket10s.WIDTH_S
    by_start: dict[int, list[int]] = defaultdict(list)
    for pk, stored in late.items():
        by_start[stored.until if stored else 0].append(pk)
    advanced: dict[int, Total] = {}
    for start, ids in by_start.items():
        for first in range(0, len(ids), BATCH):
            values = {pk: _known(late[pk]) for pk in ids[first : first + BATCH]}
            totals = _advanced(values, start, until)
            _try_to_store(totals, start)
            advanced |= {total.source_id: total for total in totals}
    return advanced


def _known(stored: Total | None) -> Values:
    return orjson.loads(stored.values) if stored else {}


def _try_to_store(advanced: list[Total], start: int) -> None:
    try:
        with transaction.atomic():
            _store(advanced, start)
    except DatabaseError as error:
        logger.warning("cannot store totals: %s", error)


def _store(advanced: list[Total], start: int) -> None:
    """start: where the totals still have to end, or 0: they are not stored yet."""
    if not start:
        Total.objects.bulk_create(advanced, ignore_conflicts=True)
        return
    as_read = Total.objects.filter(source__in=[t.source_id for t in advanced])
    unchanged = as_read.filter(until=start).select_for_update()
    ids = set(unchanged.values_list("pk", flat=True))
    Total.objects.bulk_update(
        [total for total in advanced if total.pk in ids], ["until", "values"]
    )


def _advanced(values: Mapping[int, Values], start: int, until: int) -> list[Total]:
    """values: by source, up to start."""
    sums = dict(values)
    for tier, begin, end in _ranges(start, until):
        for pk, _, bucket in _each(tier, sums, begin, end):
            sums[pk] = merge([sums[pk], _cumulative(bucket)])
    return [
        Total(source_id=pk, until=until, values=orjson.dumps(total).decode())
        for pk, total in sums.items()
    ]


def _ranges(start: int, end: int) -> Iterator[tuple[type[Bucket], int, int]]:
    """Ranges with as few rows as possible: whole hours where available."""
    first = -(-start // HOUR_S) * HOUR_S
    last = (end - ROLLED_UP_S) // HOUR_S * HOUR_S
    if first >= last:
        yield Bucket10s, start, end
        return
    yield Bucket1m, start, first
    yield Bucket1h, first, last
    yield Bucket10s, last, end


def _rows(
    tier: type[Bucket], ids: Iterable[int], start: int, end: int
) -> dict[int, dict[int, Values]]:
    """By source and start, summed over all writers."""
    buckets: dict[int, dict[int, Values]] = defaultdict(dict)
    for pk, begin, values in _each(tier, ids, start, end):
        by_start = buckets[pk]
        if begin in by_start:
            values = merge([by_start[begin], values])
        by_start[begin] = values
    return buckets


def _each(
    tier: type[Bucket], ids: Iterable[int], start: int, end: int
) -> Iterator[tuple[int, int, Values]]:
    """Source, start and values of each row, of which there may be millions."""
    rows = tier._default_manager.filter(source__in=list(ids))
    rows = rows.filter(start__gte=start, start__lt=end)
    columns = rows.values_list("source_id", "start", "values")
    for pk, begin, text in columns.iterator():
        yield pk, begin, orjson.loads(text)


def _cumulative(values: Values) -> Values:
    """Leaves out gauges, and metrics of another version."""
    return {
        name: value
        for name, value in values.items()
        if name in METRICS and METRICS[name].kind in CUMULATIVE
    }
