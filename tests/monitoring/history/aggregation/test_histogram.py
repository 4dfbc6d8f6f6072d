import statistics
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.history.aggregation.histogram import BOUNDS_S, index, quantile

durations = st.lists(st.floats(0, 390), min_size=1, max_size=200)


def counted(seconds):
    return Counter(str(index(s)) for s in seconds)


def test_bounds_are_log_spaced_from_a_millisecond_to_minutes():
    ratios = [b / a for a, b in pairwise(BOUNDS_S)]
    assert (BOUNDS_S[0], len(BOUNDS_S)) == (0.001, 29)
    assert all(1.58 < ratio < 1.59 for ratio in ratios)
    assert BOUNDS_S[-1] > 390


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0, 0), (0.001, 0), (0.0011, 1), (1.0, 15), (1.01, 16), (9999, 29)],
)
def test_bounds_are_inclusive(seconds, bucket):
    assert index(seconds) == bucket


@given(durations, st.sampled_from([0.5, 0.95, 0.99]))
def test_percentiles_are_accurate_within_a_bucket(seconds, q):
    """Against the smallest value that at least q of all do not exceed."""
    ordered = sorted(seconds)
    rank = max(1, -(-int(q * 1000 * len(ordered)) // 1000))
    exact = ordered[rank - 1]
    found = quantile(counted(seconds), q)
    bucket = index(exact)
    lower = BOUNDS_S[bucket - 1] if bucket else 0
    assert lower <= found <= BOUNDS_S[bucket]


def test_percentiles_grow_with_the_share():
    counts = counted(s / 100 for s in range(1, 1000))
    found = [quantile(counts, q / 100) for q in range(1, 100)]
    assert found == sorted(found)
    assert statistics.median(found) == pytest.approx(5, rel=0.3)


def test_empty_histogram_has_no_percentiles():
    assert quantile({}, 0.5) is None


def test_longer_durations_give_the_last_bound():
    assert quantile({"29": 3}, 0.5) == BOUNDS_S[-1]


def test_interpolation_matches_prometheus():
    # 10 observations between 0.631 and 1: the median is half-way
    assert quantile({"15": 10}, 0.5) == pytest.approx((0.630957 + 1) / 2)
