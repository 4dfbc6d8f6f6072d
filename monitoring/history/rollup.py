"""Make wider buckets of narrow ones.

Level-triggered: what was written since the last time says which minutes and hours are
stale, and those are computed afresh from all that lies below them. So it may be killed
anywhere, run twice or late, and rows that come late are included.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable

import orjson
from django.db import transaction
from django.db.models import Min

from monitoring.history.aggregation import bucket_values
from monitoring.history.tiers import gone_before
from monitoring.models import Bucket, Bucket1h, Bucket1m, Bucket10s, Watermark

MARK = "roll_up"
# Rows show up later than they say by as much as their writer waited for the database,
# or its clock is behind: that much is done again.
SLACK_S = 60
# Written in that time is done in one transaction: a second of work in a large
# installation that comes back from a break.
WINDOW_S = 600
# The task queue cuts tasks off after a minute; the next one goes on from here.
MAX_S = 30

Row = tuple[int, int, str]  # source, start, writer


def roll_up(now: float | None = None) -> None:
    at = int(time.time() if now is None else now)
    deadline = time.monotonic() + MAX_S
    while _roll_window(at) and time.monotonic() < deadline:
        pass


def rolled_until() -> int:
    """What was written before is in the wider tiers; 0 if never rolled up."""
    mark = Watermark.objects.filter(name=MARK).first()
    return mark.at + SLACK_S if mark and mark.at else 0


def _roll_window(now: int) -> bool:
    """False when all that was written up to now is done."""
    with transaction.atomic():
        mark = _locked_mark(now)
        written = Bucket10s.objects.filter(touched__gte=mark.at, touched__lte=now)
        first = written.aggregate(first=Min("touched"))["first"]
        done = first is None or first + WINDOW_S > now
        until = now + 1 if done else first + WINDOW_S
        rows = written.filter(touched__lt=until)
        minutes = _widen(
            Bucket10s, Bucket1m, rows.values_list("source_id", "start", "writer"), now
        )
        _widen(Bucket1m, Bucket1h, minutes, now)
        mark.at = max(mark.at, until - SLACK_S) if done else until
        mark.save(update_fields=["at"])
    return not done


def _locked_mark(now: int) -> Watermark:
    """Locked, so that of two at once the slower does not put back older rows. A mark in
    the future is of a clock that was put right since: all is looked at again."""
    Watermark.objects.get_or_create(name=MARK)
    mark = Watermark.objects.select_for_update().get(name=MARK)
    if mark.at > now:
        mark.at = 0
    return mark


def _widen(
    lower: type[Bucket], upper: type[Bucket], changed: Iterable[Row], now: int
) -> list[Row]:
    """Rows written in the upper tier."""
    stale: dict[int, set[tuple[int, str]]] = defaultdict(set)
    for source, start, writer in changed:
        stale[start // upper.WIDTH_S * upper.WIDTH_S].add((source, writer))
    complete_since = gone_before(lower)
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
    """late: what this bucket was made of is gone, and a clock that jumped back adds to
    it. Its writers get rows of their own then, and the row that is there stays."""
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
