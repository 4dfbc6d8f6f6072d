"""What samples become in a bucket, and buckets in a wider one.

Adding is associative and commutative: however samples are split over processes, rows
and tiers, the bucket is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict, cast

import orjson

from monitoring.history.aggregation import histogram

# min, max, sum, count
Numbers = list[float]


class Distribution(TypedDict):
    """counts: by str(index) of the histogram, those above 0 only."""

    sum: float
    counts: dict[str, int]


Value = Numbers | Distribution
Values = dict[str, Value]

DIGITS = 6


def add_number(values: Values, metric: str, sample: float) -> None:
    held = cast("Numbers | None", values.get(metric))
    if held is None:
        values[metric] = [sample, sample, sample, 1]
        return
    if sample < held[0]:
        held[0] = sample
    if sample > held[1]:
        held[1] = sample
    held[2] += sample
    held[3] += 1


def add_duration(values: Values, metric: str, seconds: float) -> None:
    held = cast("Distribution | None", values.get(metric))
    if held is None:
        held = {"sum": 0.0, "counts": {}}
        values[metric] = held
    bucket = str(histogram.index(seconds))
    held["sum"] += seconds
    held["counts"][bucket] = held["counts"].get(bucket, 0) + 1


def merge_value(one: Value, other: Value) -> Value:
    """A new value; neither of the two is changed."""
    if isinstance(one, list):
        low, high, total, count = cast("Numbers", other)
        return [min(one[0], low), max(one[1], high), one[2] + total, one[3] + count]
    more = cast("Distribution", other)
    counts = dict(one["counts"])
    for bucket, number in more["counts"].items():
        counts[bucket] = counts.get(bucket, 0) + number
    return {"sum": one["sum"] + more["sum"], "counts": counts}


def merge(parts: Iterable[Mapping[str, Value]]) -> Values:
    merged: Values = {}
    for part in parts:
        for metric, value in part.items():
            held = merged.get(metric)
            merged[metric] = value if held is None else merge_value(held, value)
    return merged


def rounded(values: Mapping[str, Value]) -> Values:
    """For storage. Whole numbers stay exact: requests and tokens are counted."""
    return {metric: _rounded(value) for metric, value in values.items()}


def as_text(values: Mapping[str, Value]) -> str:
    return orjson.dumps(rounded(values)).decode()


def _rounded(value: Value) -> Value:
    if isinstance(value, list):
        return [_short(number) for number in value]
    return {"sum": _short(value["sum"]), "counts": value["counts"]}


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}") if isinstance(number, float) else number
