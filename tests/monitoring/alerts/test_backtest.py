import random
import time

import orjson
import pytest

from monitoring.alerts.backtest import DAY_S, HOUR_S, backtest
from monitoring.alerts.models import AlertRule
from monitoring.history.aggregation.bucket_values import add_duration, merge
from monitoring.models import Bucket1h, Bucket1m, Source

pytestmark = pytest.mark.django_db
END = int(time.time()) // HOUR_S * HOUR_S
START = END - DAY_S


def numbers(*samples):
    return [min(samples), max(samples), sum(samples), len(samples)]


def rule(**fields):
    fields = {
        "metric": "gpu_temperature", "aggregate": "avg", "window_s": 60,
        "comparison": ">", "threshold": 80, **fields,
    }  # fmt: skip
    return AlertRule(name="Hot", **fields)


def store(minutes, kind="gpu", key="GPU-1"):
    """minutes: values of each minute from START on, None for none; hours are made of
    them."""
    measured = sorted({name for values in minutes if values for name in values})
    source = Source.objects.create(
        kind=kind, key=key, name=key, metrics=measured, first_seen=START, last_seen=END
    )

    def row(tier, start, values):
        text = orjson.dumps(values).decode()
        return tier(source=source, start=start, values=text, touched=start)

    fine = [(START + 60 * n, values) for n, values in enumerate(minutes) if values]
    Bucket1m.objects.bulk_create(row(Bucket1m, at, values) for at, values in fine)
    hours = {}
    for at, values in fine:
        hours.setdefault(at // HOUR_S * HOUR_S, []).append(values)
    Bucket1h.objects.bulk_create(
        row(Bucket1h, at, merge(parts)) for at, parts in hours.items()
    )


def temperatures(*parts):
    """(minutes, value) one after the other, then 50 °C for the rest of the day."""
    values = [value for minutes, value in parts for _ in range(minutes)]
    values += [50] * (24 * 60 - len(values))
    return [v and {"gpu_temperature": numbers(v)} for v in values]


# All minutes at once; only hours that matter
@pytest.mark.parametrize("max_rows", [5000, 1000])
@pytest.mark.parametrize(
    ("fields", "parts", "minutes"),
    [
        pytest.param({}, [(10, 50)], [], id="never"),
        pytest.param({}, [(10, 50), (5, 85)], [5], id="once"),
        pytest.param({"for_s": 120}, [(10, 50), (5, 85)], [3], id="for"),
        pytest.param({"for_s": 600}, [(10, 50), (5, 85)], [], id="too short"),
        pytest.param({}, [(3, 85), (3, 50), (3, 85)], [3, 3], id="twice"),
        pytest.param({"keep_firing_for_s": 600}, [(3, 85), (3, 50), (3, 85)], [19],
                     id="kept firing"),
        pytest.param({"keep_firing_for_s": 600}, [(57, 50), (3, 85)], [13],
                     id="kept firing into a quiet hour"),
        pytest.param({"clear_threshold": 60}, [(55, 50), (5, 85), (90, 70)], [95],
                     id="held by hysteresis over quiet hours"),
        pytest.param({}, [(55, 50), (10, 85)], [10], id="across hours"),
        pytest.param({"comparison": "<", "threshold": 40}, [(9, 50), (4, 30)], [4],
                     id="below"),
        pytest.param({"aggregate": "max"}, [(9, 50), (4, 90)], [4], id="max"),
    ],
)  # fmt: skip
def test_episodes(fields, parts, minutes, max_rows):
    store(temperatures(*parts))
    found = backtest(rule(**fields), 1, now=END, max_rows=max_rows)
    lengths = [(e.end - e.start) / 60 for e in found.episodes]
    assert lengths == minutes
    assert (found.fired, found.seconds) == (len(minutes), 60 * sum(minutes))
    assert found.resolution_s == 60


def test_alert_that_still_fires_has_no_end():
    store(temperatures((24 * 60 - 30, 50), (30, 85)))
    found = backtest(rule(), 1, now=END, max_rows=5000)
    assert (found.fired, found.episodes[0].end) == (1, None)
    assert found.seconds == pytest.approx(30 * 60, abs=60)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "fields",
    [{}, {"for_s": 180}, {"clear_threshold": 70, "keep_firing_for_s": 240},
     {"aggregate": "max", "window_s": 300}],
)  # fmt: skip
def test_quiet_hours_need_not_be_read(seed, fields):
    """The result is that of all minutes."""
    rng = random.Random(seed)
    value, values = 60.0, []
    for _ in range(24 * 60):
        value = min(95, max(40, value + rng.uniform(-6, 5.9)))
        values.append({"gpu_temperature": numbers(round(value))})
    store(values)
    whole = backtest(rule(**fields), 1, now=END, max_rows=5000)
    assert backtest(rule(**fields), 1, now=END, max_rows=1439).episodes == (
        whole.episodes
    )


def test_hours_are_used_where_minutes_would_be_too_many():
    store(temperatures((24 * 60, 85)))
    found = backtest(rule(), 1, now=END, max_rows=10)
    assert (found.resolution_s, found.fired) == (HOUR_S, 1)


def test_percentiles_and_minimum_count():
    def minute(number, seconds):
        values = {}
        for _ in range(number):
            add_duration(values, "response_time", seconds)
        return values

    day = [minute(20, 0.1)] * 1000 + [minute(20, 5)] * 5 + [minute(2, 5)] * 10
    store(day, kind="model", key="7")
    slow = rule(metric="response_time", aggregate="p95", threshold=2, min_count=10)
    for max_rows in (5000, 1000):
        found = backtest(slow, 1, now=END, max_rows=max_rows)
        assert found.fired == 1
        assert found.episodes[0].start == START + 1001 * 60


def test_ratio():
    good = {"requests": numbers(100)}
    bad = {"requests": numbers(100), "errors": numbers(9)}
    store([good] * 600 + [bad] * 7 + [good] * 600, kind="model", key="7")
    found = backtest(rule(metric="error_ratio", threshold=5), 1, now=END, max_rows=1000)
    assert (found.fired, found.seconds) == (1, 420)


def test_scope_limits_sources():
    store(temperatures((5, 85)))
    assert backtest(rule(scope=["gpu:GPU-2"]), 1, now=END, max_rows=5000).fired == 0
    assert backtest(rule(scope=["gpu:GPU-1"]), 1, now=END, max_rows=5000).fired == 1


def test_nothing_measured():
    found = backtest(rule(), 30, now=END, max_rows=5000)
    assert (found.fired, found.seconds, found.episodes) == (0, 0, [])
