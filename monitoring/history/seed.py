"""Write and delete generated demo history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import orjson
from django.db import transaction

from monitoring.history import retention
from monitoring.history.aggregation import bucket_values
from monitoring.history.aggregation.bucket_values import Values
from monitoring.history.demo import DemoSource, LoadProfile, sources
from monitoring.history.tiers import DAY_S, HOUR_S
from monitoring.models import TIERS, Bucket, Bucket1h, Bucket1m, Bucket10s, Source

FINE_S = 2 * DAY_S
# Rows per transaction, so that other writers get their turn.
BATCH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """end: seconds since the epoch, at the end of an hour. fine: also the last two days
    in buckets of 10 seconds."""

    end: int
    days: int = 30
    gpus: int = 8
    models: int = 20
    seed: int = 1
    fine: bool = False


def seed(plan: Plan) -> int:
    """Replaces the demo history. Returns the number of rows written."""
    clear()
    return sum(_write(each, plan) for each in sources(plan.gpus, plan.models))


def clear() -> int:
    """Returns the number of sources deleted."""
    demo = list(Source.objects.filter(demo=True))
    for source in demo:
        retention.delete_source(source)
    return len(demo)


def _write(demo: DemoSource, plan: Plan) -> int:
    start_at = plan.end - plan.days * DAY_S
    source = Source.objects.create(
        kind=demo.kind,
        key=demo.key,
        name=demo.name,
        node="demo-host" if demo.kind == "gpu" else "",
        metrics=sorted(demo.bucket(LoadProfile(""), 1.0, 60)),
        first_seen=start_at,
        last_seen=plan.end,
        demo=True,
    )
    return _insert(_rows(source, demo, plan, start_at))


def _rows(
    source: Source, demo: DemoSource, plan: Plan, start_at: int
) -> Iterator[Bucket]:
    profile = LoadProfile(f"{plan.seed}:{demo.key}")
    for hour in range(start_at, plan.end, HOUR_S):
        minutes = []
        for minute in range(hour, hour + HOUR_S, 60):
            if plan.fine and minute >= plan.end - FINE_S:
                tens = []
                for start in range(minute, minute + 60, 10):
                    tens.append(demo.bucket(profile, profile.at(start), 10))
                    yield _row(Bucket10s, source, start, tens[-1])
                minutes.append(bucket_values.merge(tens))
            else:
                minutes.append(demo.bucket(profile, profile.at(minute), 60))
            yield _row(Bucket1m, source, minute, minutes[-1])
        yield _row(Bucket1h, source, hour, bucket_values.merge(minutes))


def _row(tier: type[Bucket], source: Source, start: int, values: Values) -> Bucket:
    text = orjson.dumps(
        bucket_values.rounded(values) if tier is Bucket1h else values
    ).decode()
    touched = start + tier.WIDTH_S
    return tier(source=source, start=start, values=text, touched=touched)


def _insert(rows: Iterator[Bucket]) -> int:
    written = 0
    while batch := list(islice(rows, BATCH)):
        with transaction.atomic():
            for tier in TIERS:
                tier.objects.bulk_create([row for row in batch if type(row) is tier])
        written += len(batch)
    return written
