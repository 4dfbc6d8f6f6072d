"""Distributions of durations over fixed buckets.

Unlike percentiles, they can be summed over time and processes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

# Inclusive upper bounds from 1 ms to 398 s, five per decade, so that a percentile is
# accurate within a factor of 1.6. Index len(BOUNDS_S) counts longer durations.
# Stored rows hold indexes: bounds may be appended but never changed.
BOUNDS_S: tuple[float, ...] = tuple(
    float(f"{10 ** (k / 5):.6g}") for k in range(-15, 14)
)


def index(seconds: float) -> int:
    return bisect_left(BOUNDS_S, seconds)


def quantile(counts: Mapping[str, int], q: float) -> float | None:
    """Interpolates linearly within a bucket, like Prometheus' histogram_quantile, and
    returns the largest bound for longer durations. None without observations."""
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


def lower_bound(bucket: int) -> float:
    return BOUNDS_S[bucket - 1] if bucket else 0.0


def upper_bound(bucket: int) -> float:
    """The largest bound for longer durations."""
    return BOUNDS_S[min(bucket, len(BOUNDS_S) - 1)]


def _within(bucket: int, share: float) -> float:
    if bucket >= len(BOUNDS_S):
        return BOUNDS_S[-1]
    lower = lower_bound(bucket)
    return lower + (BOUNDS_S[bucket] - lower) * share
