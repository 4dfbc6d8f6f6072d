"""Aggregate the values of each step of a series."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from monitoring.history.aggregation import histogram
from monitoring.history.aggregation.bucket_values import (
    Distribution,
    Numbers,
    Value,
    merge_value,
)
from monitoring.metrics import Kind

ALLOWED: dict[Kind, tuple[str, ...]] = {
    "gauge": ("avg", "min", "max"),
    "counter": ("rate", "sum"),
    "histogram": ("p50", "p95", "p99", "avg", "rate", "sum"),
    "ratio": ("avg",),
}
DEFAULT: dict[Kind, str] = {
    "gauge": "avg",
    "counter": "rate",
    "histogram": "p95",
    "ratio": "avg",
}
# More precise than any measurement, and keeps responses short.
DECIMALS = 6

Finish = Callable[[Value, int], float | None]


class Column:
    """Collects one series from its rows, in order of time; None marks a gap."""

    __slots__ = ("cells", "covered", "last")

    def __init__(self, steps: int) -> None:
        self.cells: list[Value | None] = [None] * steps
        self.covered = [0] * steps  # seconds
        self.last = -1

    def add(self, slot: int, start: int, seconds: int, value: Value) -> None:
        """seconds: time covered by the row. Rows of several writers cover the same
        time, which counts once."""
        current = self.cells[slot]
        self.cells[slot] = value if current is None else merge_value(current, value)
        if start != self.last:
            self.covered[slot] += seconds
            self.last = start

    def values(self, kind: Kind, aggregate: str) -> list[float | None]:
        finish = FINISH[kind][aggregate]
        pairs = zip(self.cells, self.covered, strict=True)
        return [None if cell is None else _short(finish(cell, s)) for cell, s in pairs]


def _short(number: float | None) -> float | None:
    return round(number, DECIMALS) if isinstance(number, float) else number


def _numbers(position: int) -> Finish:
    return lambda value, _: cast("Numbers", value)[position]


def _mean(value: Value, _: int) -> float:
    numbers = cast("Numbers", value)
    return numbers[2] / numbers[3]


def _rate(value: Value, covered: int) -> float:
    return cast("Numbers", value)[2] / covered


def _observations(value: Value, _: int = 0) -> int:
    return sum(cast("Distribution", value)["counts"].values())


def _observation_rate(value: Value, covered: int) -> float:
    return _observations(value) / covered


def _observation_mean(value: Value, _: int) -> float | None:
    number = _observations(value)
    return cast("Distribution", value)["sum"] / number if number else None


def _quantile(q: float) -> Finish:
    return lambda value, _: histogram.quantile(cast("Distribution", value)["counts"], q)


FINISH: dict[Kind, dict[str, Finish]] = {
    "gauge": {"avg": _mean, "min": _numbers(0), "max": _numbers(1)},
    "counter": {"rate": _rate, "sum": _numbers(2)},
    "histogram": {
        "p50": _quantile(0.5),
        "p95": _quantile(0.95),
        "p99": _quantile(0.99),
        "avg": _observation_mean,
        "rate": _observation_rate,
        "sum": _observations,
    },
    "ratio": {"avg": _mean},
}
