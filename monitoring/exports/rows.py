"""The rows of an export: what the same question to history answers, a page at a time.

Source by source, in order of time, so that memory stays the same however long it is.
No cursor is held open meanwhile: a slow client must not keep a transaction.
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
    """metrics: of each source, in the order of the catalogue."""

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
    """The finest history that goes back to the start; with a step, the widest that
    still shows it. Raises Invalid."""
    wanted = select_metrics(query)
    sources = select_sources(query, {metric.source for metric in wanted})
    metrics = [(source, _of(source, wanted)) for source in sources]
    tier = _tier(query)
    step = -(-(query.step or 1) // tier.WIDTH_S) * tier.WIDTH_S
    return Selection(query, tier, step, [pair for pair in metrics if pair[1]])


def _of(source: Source, metrics: list[Metric]) -> list[Metric]:
    return [
        metric
        for metric in metrics
        if metric.source == source.kind and metric.name in source.metrics
    ]


def _tier(query: HistoryQuery) -> type[Bucket]:
    now = int(time.time())
    held = [tier for tier in TIERS if query.start >= available_since(tier, now)]
    fine = held or [TIERS[-1]]
    step = query.step or 0
    fitting = [tier for tier in fine if step and step % tier.WIDTH_S == 0]
    return fitting[-1] if fitting else fine[0]


def count(selection: Selection) -> int:
    """At most so many rows, give or take a few at the ends."""
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
    """Steps in which the source was looked at; what it did not tell then is None."""
    columns = {(source.pk, metric.name): Column(len(marks)) for metric in metrics}
    read(selection.tier, marks, columns, int(time.time()))
    asked = selection.query.aggregate
    series = [
        _series(source, metric, columns[source.pk, metric.name], asked)
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
    source: Source, metric: Metric, column: Column, asked: str | None
) -> tuple[Head, Numbers]:
    head = (source.kind, source.name, source.key, metric.name, metric.unit)
    values = column.values(metric.kind, asked or DEFAULT[metric.kind])
    nothing: list[Any] = [None] * len(values)
    low = high = nothing
    if asked is None and metric.kind == "gauge":
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
