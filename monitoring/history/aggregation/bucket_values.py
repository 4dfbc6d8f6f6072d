"""Merge samples into a bucket, and buckets into a wider one.

Merging is associative and commutative: the result does not depend on how samples are
split over processes, rows and tiers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict, cast

import orjson

from monitoring.history.aggregation import histogram
from monitoring.metrics import Metric

# min, max, sum, count
Numbers = list[float]


class Distribution(TypedDict):
    """counts: by str(index) of the histogram, without zeros."""

    sum: float
    counts: dict[str, int]


Value = Numbers | Distribution
Values = dict[str, Value]

DIGITS = 6


def add_number(values: Values, metric: str, sample: float) -> None:
    current = cast("Numbers | None", values.get(metric))
    if current is None:
        values[metric] = [sample, sample, sample, 1]
        return
    if sample < current[0]:
        current[0] = sample
    if sample > current[1]:
        current[1] = sample
    current[2] += sample
    current[3] += 1


def add_duration(values: Values, metric: str, seconds: float) -> None:
    current = cast("Distribution | None", values.get(metric))
    if current is None:
        current = {"sum": 0.0, "counts": {}}
        values[metric] = current
    bucket = str(histogram.index(seconds))
    current["sum"] += seconds
    current["counts"][bucket] = current["counts"].get(bucket, 0) + 1


def value_of(values: Mapping[str, Value], metric: Metric) -> Value | None:
    """None: not measured. A ratio has the sum of its numerators as its total, and that
    of its denominators as its count, and so is merged like any other number."""
    if not metric.parts:
        return values.get(metric.name)
    numerator, denominator = (values.get(name) for name in metric.parts)
    if not isinstance(denominator, list) or denominator[2] <= 0:
        return None
    part = numerator[2] if isinstance(numerator, list) else 0
    return [0, 0, 100 * part, denominator[2]]


def merge_value(first: Value, second: Value) -> Value:
    """Returns a new value and leaves both arguments unchanged."""
    if isinstance(first, list):
        low, high, total, count = cast("Numbers", second)
        return [
            min(first[0], low),
            max(first[1], high),
            first[2] + total,
            first[3] + count,
        ]
    more = cast("Distribution", second)
    counts = dict(first["counts"])
    for bucket, number in more["counts"].items():
        counts[bucket] = counts.get(bucket, 0) + number
    return {"sum": first["sum"] + more["sum"], "counts": counts}


def merge(parts: Iterable[Mapping[str, Value]]) -> Values:
    merged: Values = {}
    for part in parts:
        for metric, value in part.items():
            current = merged.get(metric)
            merged[metric] = value if current is None else merge_value(current, value)
    return merged


def rounded(values: Mapping[str, Value]) -> Values:
    """Rounded for storage. Integers, such as request counts, stay exact."""
    return {metric: _rounded(value) for metric, value in values.items()}


def as_text(values: Mapping[str, Value]) -> str:
    return orjson.dumps(rounded(values)).decode()


def _rounded(value: Value) -> Value:
    if isinstance(value, list):
        return [_short(number) for number in value]
    return {"sum": _short(value["sum"]), "counts": value["counts"]}


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}") if isinstance(number, float) else number
