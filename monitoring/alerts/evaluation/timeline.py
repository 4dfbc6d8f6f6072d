"""What a rule would have done with the values of one series. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitoring.alerts.evaluation.states import OK, Condition, step
from monitoring.history.aggregation.bucket_values import Value
from monitoring.history.aggregation.histogram import lower_bound, upper_bound
from monitoring.metrics import Metric


@dataclass(frozen=True, slots=True)
class Episode:
    """Seconds since the epoch. end None: it still fires."""

    start: float
    end: float | None


def episodes(
    condition: Condition, values: Iterable[tuple[float, float | None]]
) -> list[Episode]:
    """values: (time, value), in order; a value holds until the next one's time."""
    found: list[Episode] = []
    state, began = OK, None
    for at, value in values:
        state, event = step(condition, state, value, at)
        if event == "firing":
            began = at
        elif event == "resolved" and began is not None:
            found.append(Episode(began, at))
            began = None
    if began is not None:
        found.append(Episode(began, None))
    return found


def extremes(
    value: Value, metric: Metric, aggregate: str, window_s: int
) -> tuple[float, float]:
    """Between which the aggregate of any window within this value's time lies. The
    window may begin before it: sums may be twice as large."""
    if not isinstance(value, list):
        if aggregate in {"sum", "rate"}:
            return 0, 2 * sum(value["counts"].values()) / _seconds(aggregate, window_s)
        buckets = [int(bucket) for bucket in value["counts"]] or [0]
        return lower_bound(min(buckets)), upper_bound(max(buckets))
    low, high, total, _count = value
    if metric.kind == "ratio":
        return 0, 100 if total else 0
    if metric.kind == "counter":
        return 0, 2 * total / _seconds(aggregate, window_s)
    return low, high


def may_hold(condition: Condition, low: float, high: float) -> bool:
    """Whether a value between these begins an alert, or keeps one firing."""
    worst = high if condition.comparison in {">", ">="} else low
    return condition.holds(worst, firing=True)


def quiet(condition: Condition, low: float, high: float) -> float:
    """A value between these that is as far from the threshold as any."""
    return low if condition.comparison in {">", ">="} else high


def _seconds(aggregate: str, window_s: int) -> int:
    return window_s if aggregate == "rate" else 1
