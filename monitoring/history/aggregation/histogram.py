"""Distributions of durations over fixed buckets: what can be added up over time and
processes, which percentiles cannot."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

# Upper bounds, inclusive: 1 ms to 398 s, five to a decade, so a percentile is right
# within a factor of 1.6. Index len(BOUNDS_S) holds what took longer.
# Stored rows hold indexes: bounds may be added at the end, never changed.
BOUNDS_S: tuple[float, ...] = tuple(
    float(f"{10 ** (k / 5):.6g}") for k in range(-15, 14)
)


def index(seconds: float) -> int:
    return bisect_left(BOUNDS_S, seconds)


def quantile(counts: Mapping[str, int], q: float) -> float | None:
    """Linear within a bucket, as Prometheus' histogram_quantile; the largest bound for
    what lies above all of them. None without observations."""
    total = sum(counts.values())
    if not total:
        return None
    rank, seen = q * total, 0
    for bucket in sorted(map(int, counts)):
        inside = counts[str(bucket)]
        if inside and seen + inside >= rank:
            return _within(bucket, (rank - seen) / inside)
        seen += inside
    return BOUNDS_S[-1]


def _within(bucket: int, share: float) -> float:
    if bucket >= len(BOUNDS_S):
        return BOUNDS_S[-1]
    lower = BOUNDS_S[bucket - 1] if bucket else 0.0
    return lower + (BOUNDS_S[bucket] - lower) * share
