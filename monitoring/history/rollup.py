"""Roll narrow buckets up into wider ones.

Level-triggered: rows written since the last run determine which minutes and hours are
stale, and these are recomputed from all rows of the tier below. The roll-up can
therefore be killed at any point, run twice or run late, and includes late rows.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

import orjson
from django.db import transaction
from django.db.models import Min

from monitoring.history.aggregation import bucket_values
from monitoring.history.tiers import pruned_before
from monitoring.models import Bucket, Bucket1h, Bucket1m, Bucket10s, Watermark

MARK = "roll_up"
# Rows appear late when their writer had to wait for the database or its clock is slow:
# this much is processed again.
SLACK_S = 60
# Rows written within this time are processed in one transaction: about a second of
# work when a large installation catches up.
WINDOW_S = 600
# The task queue kills tasks after a minute; the next run continues from here.
MAX_S = 30

Row = tuple[int, int, str]  # source, start, writer


def roll_up(now: float | None = None) -> None:
    at = int(time.time() if now is None else now)
    deadline = time.monotonic() + MAX_S
    while _roll_window(at) and time.monotonic() < deadline:
        pass


def rolled_up_until() -> int:
    """Rows written before this time are in the wider tiers; 0 if never rolled up."""
    mark = Watermark.objects.filter(name=MARK).first()
    return mark.at + SLACK_S if mark and mark.at else 0


def _roll_window(now: int) -> bool:
    """False when everything written so far has been processed."""
    with transaction.atomic():
        mark = _locked_mark(now)
        written = Bucket10s.objects.filter(touched__gte=mark.at, touched__lte=now)
        first = written.aggregate(first=Min("touched"))["first"]
        is_last = first is None or first + WINDOW_S > now
        until = now + 1 if is_last else first + WINDOW_S
        rows = written.filter(touched__lt=until)
        minutes = _widen(
            Bucket10s, Bucket1m, rows.values_list("source_id", "start", "writer"), now
        )
        _widen(Bucket1m, Bucket1h, minutes, now)
        mark.at = max(mark.at, until - SLACK_S) if is_last else until
        mark.save(update_fields=["at"])
    return not is_last


def _locked_mark(now: int) -> Watermark:
    """Locked, so that the slower of two concurrent runs cannot restore older rows. A
    mark in the future comes from a clock that has been corrected since, so everything
    is processed again."""
    Watermark.objects.get_or_create(name=MARK)
    mark = Watermark.objects.select_for_update().get(name=MARK)
    if mark.at > now:
        mark.at = 0
    return mark


def _widen(
    lower: type[Bucket], upper: type[Bucket], changed: Iterable[Row], now: int
) -> list[Row]:
    """Returns the rows written to the upper tier."""
    stale: dict[int, set[tuple[int, str]]] = defaultdict(set)
    for source, start, writer in changed:
        stale[start // upper.WIDTH_S * upper.WIDTH_S].add((source, writer))
    complete_since = pruned_before(lower)
    rows = [
        upper(source_id=source, start=start, writer=writer, values=text, touched=now)
        for start, written in stale.items()
        for source, writer, text in _merged(
            lower, upper, start, written, late=start < complete_since
        )
    ]
    upper.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["source", "start", "writer"],
        update_fields=["values", "touched"],
    )
    return [(row.source_id, row.start, row.writer) for row in rows]


def _merged(
    lower: type[Bucket],
    upper: type[Bucket],
    start: int,
    written: set[tuple[int, str]],
    *,
    late: bool,
) -> Iterable[tuple[int, str, str]]:
    """late: the rows below this bucket have been pruned, and a clock that jumped back
    adds to it. Then its writers get rows of their own and the existing row stays."""
    parts: dict[tuple[int, str], list[bucket_values.Values]] = defaultdict(list)
    below = lower.objects.filter(
        source_id__in={source for source, _ in written},
        start__gte=start,
        start__lt=start + upper.WIDTH_S,
    )
    for source, writer, text in below.values_list("source_id", "writer", "values"):
        if not late:
            parts[source, ""].append(orjson.loads(text))
        elif (source, writer) in written:
            parts[source, writer].append(orjson.loads(text))
    for (source, writer), values in parts.items():
        yield source, writer, bucket_values.as_text(bucket_values.merge(values))
