"""Counters since they began, which only ever grow, from buckets, which come and go.

A scrape reads what was added up before, and the rows of the last minutes. What comes
later than LAG_S after its time is missing from totals; history has it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson
from django.db import DatabaseError, transaction

from monitoring.history.aggregation import bucket_values
from monitoring.metrics import METRICS
from monitoring.models import Bucket, Bucket1h, Bucket1m, Bucket10s, Source, Total

logger = logging.getLogger(__name__)

LAG_S = 300
ADVANCE_S = 300
HOUR_S = 3600
# Hours older than this are rolled up, unless the worker was down all the time.
ROLLED_S = 2 * HOUR_S
ADDING = frozenset({"counter", "histogram"})


@dataclass(frozen=True, slots=True)
class Seen:
    """totals: of counters and histograms; latest: newest whole bucket of any metric,
    empty if that is old."""

    totals: bucket_values.Values
    latest: bucket_values.Values


def read(sources: Iterable[Source], now: float) -> dict[int, Seen]:
    """By primary key of the source. Two queries, and some more every few minutes."""
    ids = [source.pk for source in sources]
    held = {total.source_id: total for total in Total.objects.filter(source__in=ids)}
    until = int(now - LAG_S) // HOUR_S * HOUR_S
    late = [
        pk for pk in ids if pk not in held or held[pk].until < now - LAG_S - ADVANCE_S
    ]
    if late:
        held |= _advance({pk: held.get(pk) for pk in late}, now)
    until = min((total.until for total in held.values()), default=until)
    recent = _rows(Bucket10s, ids, until, int(now) + HOUR_S)
    return {pk: _seen(held[pk], recent.get(pk, {}), now) for pk in ids}


def _seen(held: Total, recent: Mapping[int, bucket_values.Values], now: float) -> Seen:
    """A bucket that is still open is counted, but its average is not shown."""
    newer = [values for start, values in recent.items() if start >= held.until]
    totals = bucket_values.merge([orjson.loads(held.values), *map(_adding, newer)])
    whole = [s for s in recent if now - 90 <= s and s + Bucket10s.WIDTH_S <= now]
    return Seen(totals, recent[max(whole)] if whole else {})


def _advance(late: Mapping[int, Total | None], now: float) -> dict[int, Total]:
    """Somebody else's advance at the same time is as good: it is read, not added."""
    until = int(now - LAG_S) // Bucket10s.WIDTH_S * Bucket10s.WIDTH_S
    advanced = {pk: _advanced(pk, held, until) for pk, held in late.items()}
    try:
        with transaction.atomic():
            for pk, held in late.items():
                _keep(advanced[pk], held)
    except DatabaseError as error:
        logger.warning("totals are not kept: %s", error)
    return advanced


def _keep(advanced: Total, held: Total | None) -> None:
    if held is None:
        Total.objects.bulk_create([advanced], ignore_conflicts=True)
    else:
        Total.objects.filter(pk=advanced.pk, until=held.until).update(
            until=advanced.until, values=advanced.values
        )


def _advanced(pk: int, held: Total | None, until: int) -> Total:
    begun, values = (held.until, held.values) if held else (0, "{}")
    parts = [
        _adding(bucket)
        for tier, start, end in _pieces(begun, until)
        for bucket in _rows(tier, [pk], start, end).get(pk, {}).values()
    ]
    merged = bucket_values.merge([orjson.loads(values), *parts])
    return Total(source_id=pk, until=until, values=orjson.dumps(merged).decode())


def _pieces(start: int, end: int) -> Iterator[tuple[type[Bucket], int, int]]:
    """As few rows as possible: hours where there are whole ones."""
    first = -(-start // HOUR_S) * HOUR_S
    last = (end - ROLLED_S) // HOUR_S * HOUR_S
    if first >= last:
        yield Bucket10s, start, end
        return
    yield Bucket1m, start, first
    yield Bucket1h, first, last
    yield Bucket10s, last, end


def _rows(
    tier: type[Bucket], ids: list[int], start: int, end: int
) -> dict[int, dict[int, bucket_values.Values]]:
    """By source and start, all writers added up."""
    found: dict[int, dict[int, bucket_values.Values]] = defaultdict(dict)
    rows = tier._default_manager.filter(source__in=ids, start__gte=start, start__lt=end)
    for pk, begins, text in rows.values_list("source_id", "start", "values"):
        values, of = orjson.loads(text), found[pk]
        of[begins] = (
            bucket_values.merge([of[begins], values]) if begins in of else values
        )
    return found


def _adding(values: bucket_values.Values) -> bucket_values.Values:
    """Metrics of another version are nobody's."""
    return {
        name: value
        for name, value in values.items()
        if name in METRICS and METRICS[name].kind in ADDING
    }
