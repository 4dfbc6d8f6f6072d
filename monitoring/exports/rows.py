"""The rows of an export: the result of a history query, page by page.

Rows are ordered by source and time, so that memory use does not depend on the size of
the export. No cursor stays open between pages, because a slow client must not hold a
transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring.exports.row import Row
from monitoring.history.aggregation.aggregates import DEFAULT, Column
from monitoring.history.aggregation.steps import times
from monitoring.history.params import HistoryQuery, select_metrics, select_sources
from monitoring.history.query import read
from monitoring.history.tiers import available_since
from monitoring.metrics import Metric
from monitoring.models import TIER_NAMES, TIERS, Bucket, Source

PAGE_STEPS = 360


@dataclass(frozen=True, slots=True)
class Selection:
    """metrics: of each source, in the order of monitoring.metrics."""

    query: HistoryQuery
    tier: type[Bucket]
    step: int
    metrics: Sequence[tuple[Source, list[Metric]]]

    @property
    def about(self) -> dict[str, Any]:
        return {
            "tier": TIER_NAMES[self.tier],
            "step": self.step,
            "start": self.query.start,
            "end": self.query.end,
        }

    @property
    def marks(self) -> range:
        return times(self.query.start, self.query.end, self.step)


def select(query: HistoryQuery) -> Selection:
    """Picks the finest tier that goes back to the start, or for a given step the widest
    tier that can show it. Raises Invalid."""
    selected = select_metrics(query)
    sources = select_sources(query, {metric.source for metric in selected})
    metrics = [(source, _metrics_of(source, selected)) for source in sources]
    tier = _tier(query)
    step = -(-(query.step or 1) // tier.WIDTH_S) * tier.WIDTH_S
    return Selection(query, tier, step, [pair for pair in metrics if pair[1]])


def _metrics_of(source: Source, metrics: list[Metric]) -> list[Metric]:
    return [
        metric
        for metric in metrics
        if metric.source == source.kind and metric.is_measured(source.metrics)
    ]


def _tier(query: HistoryQuery) -> type[Bucket]:
    now = int(time.time())
    available = [tier for tier in TIERS if query.start >= available_since(tier, now)]
    candidates = available or [TIERS[-1]]
    step = query.step or 0
    fitting = [tier for tier in candidates if step and step % tier.WIDTH_S == 0]
    return fitting[-1] if fitting else candidates[0]


def count(selection: Selection) -> int:
    """An upper bound on the number of rows, give or take a few at the ends."""
    marks = selection.marks
    return sum(
        len(metrics) * min(len(marks), _buckets(selection.tier, source, marks))
        for source, metrics in selection.metrics
    )


def _buckets(tier: type[Bucket], source: Source, marks: range) -> int:
    rows = tier._default_manager.filter(source=source)
    return rows.filter(start__gte=marks.start, start__lt=marks.stop).count()


def rows(selection: Selection) -> Iterator[Row]:
    marks = selection.marks
    for source, metrics in selection.metrics:
        for begin in range(0, len(marks), PAGE_STEPS):
            page = marks[begin : begin + PAGE_STEPS]
            yield from _page(selection, source, metrics, page)


def _page(
    selection: Selection, source: Source, metrics: list[Metric], marks: range
) -> Iterator[Row]:
    """Only steps in which the source was sampled; missing metrics are None."""
    columns = {(source.pk, metric.name): Column(len(marks)) for metric in metrics}
    read(selection.tier, marks, columns, int(time.time()))
    aggregate = selection.query.aggregate
    series = [
        _series(source, metric, columns[source.pk, metric.name], aggregate)
        for metric in metrics
    ]
    cells = [column.cells for column in columns.values()]
    for slot, mark in enumerate(marks):
        if any(cell[slot] is not None for cell in cells):
            for head, numbers in series:
                yield Row(mark, *head, *(column[slot] for column in numbers))


Head = tuple[str, str, str, str, str]
Numbers = list[list[Any]]


def _series(
    source: Source, metric: Metric, column: Column, aggregate: str | None
) -> tuple[Head, Numbers]:
    head = (source.kind, source.name, source.key, metric.name, metric.unit)
    values = column.values(metric.kind, aggregate or DEFAULT[metric.kind])
    low: list[Any] = [None] * len(values)
    high = low
    if aggregate is None and metric.kind == "gauge":
        low = column.values(metric.kind, "min")
        high = column.values(metric.kind, "max")
    return head, [values, low, high, _counts(column, metric)]


def _counts(column: Column, metric: Metric) -> list[Any]:
    """Samples of a gauge, observations of a distribution."""
    if metric.kind == "histogram":
        return column.values(metric.kind, "sum")
    if metric.kind == "counter":
        return [None] * len(column.cells)
    return [cell[3] if isinstance(cell, list) else None for cell in column.cells]
