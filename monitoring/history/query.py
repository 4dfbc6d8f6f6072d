"""Answer history queries from the tier that fits."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from common.exceptions import Invalid
from common.problems import Problem
from monitoring.history.aggregation import steps
from monitoring.history.aggregation.aggregates import DEFAULT, Column
from monitoring.history.aggregation.bucket_values import value_of
from monitoring.history.params import (
    HistoryQuery,
    parse_step,
    select_metrics,
    select_sources,
)
from monitoring.history.rollup import rolled_up_until
from monitoring.history.tiers import available_since
from monitoring.metrics import METRICS, Metric
from monitoring.models import TIER_NAMES, TIERS, Bucket, Source

BY_WIDTH: dict[int, type[Bucket]] = {tier.WIDTH_S: tier for tier in TIERS}
FETCH_ROWS = 2000


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """times: start of each step. series: {metric, unit, source: {kind, key, name},
    aggregate, values}, plus min and max for gauges when the query names no aggregate;
    None marks a gap."""

    tier: str
    step: int
    start: int
    end: int
    times: list[int]
    series: list[dict[str, Any]] = field(default_factory=list)


def run_query(query: HistoryQuery, now: float | None = None) -> HistoryResult:
    """Widens the step where history is no longer kept that fine. Raises Invalid."""
    at = int(time.time() if now is None else now)
    metrics = select_metrics(query)
    sources = select_sources(query, {metric.source for metric in metrics})
    pairs = [
        (source, metric)
        for metric in metrics
        for source in sources
        if metric.source == source.kind and metric.is_measured(source.metrics)
    ]
    choice = _choose(query, pairs, at)
    marks = steps.times(query.start, query.end, choice.step)
    columns = {(s.pk, m.name): Column(len(marks)) for s, m in pairs}
    read(BY_WIDTH[choice.width], marks, columns, at)
    return HistoryResult(
        tier=TIER_NAMES[BY_WIDTH[choice.width]],
        step=choice.step,
        start=query.start,
        end=query.end,
        times=list(marks),
        series=[
            _series(source, metric, columns[source.pk, metric.name], query.aggregate)
            for source, metric in pairs
        ],
    )


def _choose(
    query: HistoryQuery, pairs: Sequence[tuple[Source, Metric]], now: int
) -> steps.Choice:
    if query.step is not None:
        parse_step(str(query.step))
    series = max(1, len(pairs))  # a result without series still has times
    resolution = steps.Resolution(
        start=query.start,
        end=query.end,
        sources=len({source.pk for source, _ in pairs}),
        series=series,
        step=query.step,
    )
    since = {width: available_since(tier, now) for width, tier in BY_WIDTH.items()}
    choice = steps.choose(resolution, since)
    points = series * len(steps.times(query.start, query.end, choice.step))
    if points > steps.MAX_POINTS:
        smallest = steps.smallest_step(query.start, query.end, series)
        params = {"value": points, "max": steps.MAX_POINTS, "step": smallest}
        raise Invalid([Problem(code="too_many_points", field="step", params=params)])
    return choice


def read(
    tier: type[Bucket], marks: range, columns: dict[tuple[int, str], Column], now: int
) -> None:
    """Column needs the rows of a source in order of time."""
    by_source: dict[int, list[tuple[Metric, Column]]] = defaultdict(list)
    for (source, name), column in columns.items():
        by_source[source].append((METRICS[name], column))
    complete = now if tier is TIERS[0] else rolled_up_until() or now
    rows = (
        tier.objects.filter(source_id__in=by_source)
        .filter(start__gte=marks.start, start__lt=marks[-1] + marks.step)
        .order_by("source_id", "start")
        .values_list("source_id", "start", "values")
    )
    first, step, width = marks.start, marks.step, tier.WIDTH_S
    for source, start, text in rows.iterator(FETCH_ROWS):
        values = orjson.loads(text)
        slot = (start - first) // step
        # A bucket that is still being filled covers what has passed of it.
        open_ = 0 < complete - start < width
        seconds = complete - start if open_ else width
        for metric, column in by_source[source]:
            if (value := value_of(values, metric)) is not None:
                column.add(slot, start, seconds, value)


def _series(
    source: Source, metric: Metric, column: Column, aggregate: str | None
) -> dict[str, Any]:
    used = aggregate or DEFAULT[metric.kind]
    series: dict[str, Any] = {
        "metric": metric.name,
        "unit": metric.unit,
        "source": {"kind": source.kind, "key": source.key, "name": source.name},
        "aggregate": used,
        "values": column.values(metric.kind, used),
    }
    if aggregate is None and metric.kind == "gauge":
        series["min"] = column.values(metric.kind, "min")
        series["max"] = column.values(metric.kind, "max")
    return series
