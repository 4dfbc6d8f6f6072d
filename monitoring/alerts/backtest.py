"""How often a rule would have fired, from history.

Many days of many sources are read minute by minute only in the hours in which the
condition can have held, by the extremes of each hour: most rules hold rarely.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from monitoring.alerts.evaluation.states import Condition
from monitoring.alerts.evaluation.timeline import (
    Episode,
    episodes,
    extremes,
    may_hold,
    quiet,
)
from monitoring.alerts.evaluation.windows import MAX_WINDOW_S, count_of
from monitoring.alerts.models import AlertRule
from monitoring.alerts.rows import condition_of, scope_of
from monitoring.history.aggregation.aggregates import FINISH
from monitoring.history.aggregation.bucket_values import Value, merge_value, value_of
from monitoring.history.tiers import available_since
from monitoring.metrics import METRICS, Metric
from monitoring.models import Bucket, Bucket1h, Bucket1m, Bucket10s, Source

HOUR_S = 3600
DAY_S = 86_400
MAX_DAYS = 30
MAX_EPISODES = 500
# About half a second of reading
MAX_ROWS = 100_000

Ranges = list[tuple[int, int]]
Rows = dict[int, dict[int, Value]]  # by source and start


@dataclass(frozen=True, slots=True)
class Fired:
    """end None: it would still fire."""

    kind: str
    key: str
    name: str
    start: float
    end: float | None


@dataclass(slots=True)
class Backtest:
    """fired: how often. seconds: in all. resolution_s: shorter episodes are not seen.
    episodes: the newest MAX_EPISODES."""

    start: int
    end: int
    resolution_s: int
    fired: int = 0
    seconds: float = 0.0
    episodes: list[Fired] = field(default_factory=list)


def backtest(
    rule: AlertRule, days: int, now: float | None = None, max_rows: int = MAX_ROWS
) -> Backtest:
    """rule: valid; it need not be saved."""
    end = int(time.time() if now is None else now)
    start = end - min(days, MAX_DAYS) * DAY_S
    test = _Test(rule, METRICS[rule.metric], condition_of(rule))
    sources = _sources(test, start)
    tier, ranges, hours = _choose(test, sources, (start, end), max_rows)
    rows = _read(test.metric, sources, tier, ranges)
    result = Backtest(start, end, tier.WIDTH_S)
    for source in sources:
        coarse = hours.get(source.pk, {})
        values = _timeline(test, tier, rows.get(source.pk, {}), coarse, ranges)
        for episode in episodes(test.condition, values):
            _add(result, source, episode)
    result.episodes = sorted(result.episodes, key=lambda e: e.start)[-MAX_EPISODES:]
    return result


def _add(result: Backtest, source: Source, episode: Episode) -> None:
    result.fired += 1
    result.seconds += (episode.end or result.end) - episode.start
    result.episodes.append(
        Fired(source.kind, source.key, source.name, episode.start, episode.end)
    )


def _sources(test: _Test, start: int) -> list[Source]:
    scope = scope_of(test.rule)
    seen = Source.objects.filter(kind=test.metric.source, last_seen__gte=start)
    return [
        source
        for source in seen
        if test.metric.is_measured(source.metrics)
        and (not scope or (source.kind, source.key) in scope)
    ]


def _choose(
    test: _Test, sources: list[Source], span: tuple[int, int], max_rows: int
) -> tuple[type[Bucket], Ranges, Rows]:
    """The tier, the times to read of it, and the hours that were read to find them."""
    start, end = span
    now = int(time.time())
    number = len(sources)
    for tier in (Bucket10s, Bucket1m):
        rows = number * (end - start) / tier.WIDTH_S
        if rows <= max_rows and start >= available_since(tier, now):
            return tier, [(start, end)], {}
    hours = _read(test.metric, sources, Bucket1h, [(start, end)])
    ranges = [(a, min(b, end)) for a, b in _candidates(test, hours)]
    rows = number * sum(b - a for a, b in ranges) / Bucket1m.WIDTH_S
    if rows <= max_rows and start >= available_since(Bucket1m, now):
        return Bucket1m, ranges, hours
    return Bucket1h, [(start, end)], {}


def _candidates(test: _Test, hours: Rows) -> Ranges:
    starts = {
        start
        for by_start in hours.values()
        for start, value in by_start.items()
        if test.may_hold(value)
    }
    # Windows of the hour after reach back into it.
    length = HOUR_S + -(-test.rule.window_s // Bucket1m.WIDTH_S) * Bucket1m.WIDTH_S
    ranges: Ranges = []
    for start in sorted(starts):
        if ranges and ranges[-1][1] >= start:
            ranges[-1] = (ranges[-1][0], start + length)
        else:
            ranges.append((start, start + length))
    return ranges


def _read(
    metric: Metric, sources: list[Source], tier: type[Bucket], ranges: Ranges
) -> Rows:
    found: Rows = defaultdict(dict)
    for start, end in ranges:
        rows = tier._default_manager.filter(
            source__in=sources, start__gte=start - MAX_WINDOW_S, start__lt=end
        )
        for pk, at, text in rows.values_list("source_id", "start", "values").iterator():
            value = value_of(orjson.loads(text), metric)
            if value is not None:
                known = found[pk].get(at)
                found[pk][at] = merge_value(known, value) if known else value
    return found


def _timeline(
    test: _Test,
    tier: type[Bucket],
    rows: dict[int, Value],
    hours: dict[int, Value],
    ranges: Ranges,
) -> Iterator[tuple[float, float | None]]:
    """Values at the end of each bucket. Hours that were not read finely were quiet, or
    without data."""
    width = tier.WIDTH_S
    position = min([*rows, *hours, *(start for start, _ in ranges)], default=0)
    for start, end in ranges:
        yield from _quiet(test, hours, position, start)
        for at in range(start // width * width, end, width):
            yield at + width, test.value(rows, at, width)
        position = end
    if hours:
        yield from _quiet(test, hours, position, max(hours) + HOUR_S)


def _quiet(
    test: _Test, hours: dict[int, Value], start: int, end: int
) -> Iterator[tuple[float, float | None]]:
    width = Bucket1m.WIDTH_S
    for hour in range(start // HOUR_S * HOUR_S, end, HOUR_S):
        value = test.quiet(hours[hour]) if hour in hours else None
        first = max(hour, start) + width
        # What fired before may be kept firing for some minutes.
        kept = test.rule.keep_firing_for_s if hour <= start else 0
        for at in range(first, min(first + kept + 1, hour + HOUR_S), width):
            yield at, value
        if first >= hour + HOUR_S:
            yield first, value


@dataclass(frozen=True, slots=True)
class _Test:
    rule: AlertRule
    metric: Metric
    condition: Condition

    def _extremes(self, value: Value) -> tuple[float, float]:
        rule = self.rule
        return extremes(value, self.metric, rule.aggregate, rule.window_s)

    def may_hold(self, value: Value) -> bool:
        return may_hold(self.condition, *self._extremes(value))

    def quiet(self, value: Value) -> float:
        return quiet(self.condition, *self._extremes(value))

    def value(self, rows: dict[int, Value], at: int, width: int) -> float | None:
        """Of the window that ends with the bucket at `at`."""
        buckets = max(1, round(self.rule.window_s / width))
        value = rows.get(at)
        for start in range(at - (buckets - 1) * width, at, width):
            more = rows.get(start)
            if more is not None:
                value = more if value is None else merge_value(value, more)
        if value is None or count_of(value, self.metric) < self.rule.min_count:
            return None
        finish = FINISH[self.metric.kind][self.rule.aggregate]
        return finish(value, buckets * width)
