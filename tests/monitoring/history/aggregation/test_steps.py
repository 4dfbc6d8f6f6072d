import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.history.aggregation.steps import (
    MAX_POINTS,
    Resolution,
    choose,
    smallest_step,
    times,
)

HOUR, DAY = 3600, 86_400
NOW = 1_700_000_000
KEPT = {10: NOW - 2 * DAY, 60: NOW - 30 * DAY, 3600: NOW - 730 * DAY}


def chosen(span, ago=0, sources=1, series=1, step=None):
    end = NOW - ago
    resolution = Resolution(
        start=end - span, end=end, sources=sources, series=series, step=step
    )
    choice = choose(resolution, KEPT)
    return choice.width, choice.step


@pytest.mark.parametrize(
    ("resolution", "width_and_step"),
    [
        ({"span": HOUR}, (10, 10)),
        ({"span": 6 * HOUR}, (10, 30)),
        ({"span": DAY}, (60, 120)),
        ({"span": 7 * DAY}, (60, 900)),
        ({"span": 30 * DAY}, (3600, 3600)),
        ({"span": 730 * DAY}, (3600, 86_400)),
        # no longer that fine
        ({"span": HOUR, "ago": 3 * DAY}, (60, 60)),
        ({"span": HOUR, "ago": 40 * DAY}, (3600, 3600)),
        ({"span": HOUR, "ago": 900 * DAY}, (3600, 3600)),
        # many series: fewer points of each, and rows that are read in time
        ({"span": HOUR, "series": 500, "sources": 50}, (10, 20)),
        ({"span": 7 * DAY, "series": 64, "sources": 64}, (3600, 3600)),
        # requested
        ({"span": HOUR, "step": 60}, (60, 60)),
        ({"span": HOUR, "step": 90}, (10, 90)),
        ({"span": DAY, "step": 5400}, (60, 5400)),
        ({"span": DAY, "step": 7200}, (3600, 7200)),
        ({"span": DAY, "ago": 9 * DAY, "step": 90}, (60, 120)),
        ({"span": 60, "ago": 0, "step": DAY}, (3600, DAY)),
    ],
)
def test_tier_and_step(resolution, width_and_step):
    assert chosen(**resolution) == width_and_step


@given(st.integers(1, 731 * DAY), st.integers(0, 800 * DAY), st.integers(1, 5000))
def test_series_has_a_limited_number_of_points(span, ago, series):
    width, step = chosen(span, ago, series, series)
    steps = times(NOW - ago - span, NOW - ago, step)
    assert step % width == 0
    assert len(steps) <= max(1001, 731)
    assert len(steps) * series <= MAX_POINTS + 731 * series
    assert steps[0] <= NOW - ago - span < steps[0] + step


@given(st.integers(10, 731 * DAY), st.integers(1, 100))
def test_smallest_step_is_accepted(span, series):
    step = smallest_step(NOW - span, NOW, series)
    assert len(times(NOW - span, NOW, step)) * series <= MAX_POINTS
