import json

import pytest

from common.exceptions import Invalid
from monitoring.history.aggregation.histogram import BOUNDS_S, index
from monitoring.history.params import HistoryQuery, parse_span, parse_step
from monitoring.history.query import run_query
from monitoring.history.recorder import Recorder
from monitoring.history.rollup import roll_up
from monitoring.history.tiers import mark_pruned
from monitoring.models import Bucket1m, Bucket10s
from tests.monitoring.history.rows import Clock, a_bucket, a_source

pytestmark = pytest.mark.django_db

NOON = 1_700_000_000 // 3600 * 3600
HOUR, DAY = 3600, 86_400


@pytest.fixture
def gpu():
    return a_source(metrics=["gpu_power", "gpu_temperature"])


@pytest.fixture
def model():
    metrics = ["requests", "response_time", "kv_cache_usage"]
    return a_source("model", "7", name="smol", metrics=metrics)


def fetch(*metrics, start=NOON, end=NOON + 60, now=NOON + HOUR, **params):
    return run_query(HistoryQuery(start=start, end=end, metrics=metrics, **params), now)


def values(result):
    [series] = result.series
    return series["values"]


def problem(*metrics, **params):
    with pytest.raises(Invalid) as refused:
        fetch(*metrics, **params)
    [found] = refused.value.problems
    return found.code, found.params


def test_gauge_has_mean_min_and_max_and_null_for_gaps(gpu):
    a_bucket(Bucket10s, gpu, NOON, {"gpu_power": [100, 300, 1500, 10]})
    a_bucket(Bucket10s, gpu, NOON + 40, {"gpu_power": [7, 7, 70, 10]})
    a_bucket(Bucket10s, gpu, NOON + 50, {"gpu_temperature": [40, 40, 400, 10]})
    result = fetch("gpu_power")
    assert (result.tier, result.step) == ("10s", 10)
    assert result.times == list(range(NOON, NOON + 60, 10))
    assert result.series == [
        {
            "metric": "gpu_power",
            "unit": "watt",
            "source": {"kind": "gpu", "key": "GPU-1", "name": "name of GPU-1"},
            "aggregate": "avg",
            "values": [150, None, None, None, 7, None],
            "min": [100, None, None, None, 7, None],
            "max": [300, None, None, None, 7, None],
        }
    ]


@pytest.mark.parametrize(
    ("aggregate", "expected"), [("avg", 150), ("min", 100), ("max", 300)]
)
def test_gauge_with_an_aggregate_has_no_min_and_max(gpu, aggregate, expected):
    a_bucket(Bucket10s, gpu, NOON, {"gpu_power": [100, 300, 1500, 10]})
    result = fetch("gpu_power", aggregate=aggregate, end=NOON + 10)
    assert values(result) == [expected]
    assert "min" not in result.series[0]


def test_wider_steps_weigh_by_the_number_of_samples(gpu):
    a_bucket(Bucket10s, gpu, NOON, {"gpu_power": [100, 100, 1000, 10]})
    a_bucket(Bucket10s, gpu, NOON + 10, {"gpu_power": [400, 400, 800, 2]})
    result = fetch("gpu_power", step=30)
    assert values(result) == [150, None]
    assert result.series[0]["max"] == [400, None]


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [(None, [3, 1.5, None]), ("rate", [3, 1.5, None]), ("sum", [60, 15, None])],
)
def test_rates_use_the_measured_seconds(model, aggregate, expected):
    for start, requests in ((0, 20), (10, 40), (30, 15)):
        at = NOON + start
        a_bucket(Bucket10s, model, at, {"requests": [0, 9, requests, 10]})
    assert values(fetch("requests", step=20, aggregate=aggregate)) == expected


def test_writers_are_summed_over_the_same_seconds(model):
    for writer, requests in (("a", 20), ("b", 5), ("c", 5)):
        row = {"requests": [0, 9, requests, 10]}
        a_bucket(Bucket10s, model, NOON, row, writer)
    assert values(fetch("requests", end=NOON + 10)) == [3]


def test_open_bucket_counts_so_far(model):
    for tier in (Bucket10s, Bucket1m):
        a_bucket(tier, model, NOON, {"requests": [1, 1, 8, 4]}, touched=NOON + 4)
    assert values(fetch("requests", end=NOON + 10, now=NOON + 4)) == [2]
    roll_up(NOON + 15)  # computes the minute of what there is
    assert values(fetch("requests", step=60, now=NOON + 30)) == [0.5]


def durations(model, seconds, tier=Bucket10s, start=NOON, writer=""):
    counts = {}
    for value in seconds:
        key = str(index(value))
        counts[key] = counts.get(key, 0) + 1
    row = {"response_time": {"sum": sum(seconds), "counts": counts}}
    a_bucket(tier, model, start, row, writer)


@pytest.mark.parametrize(
    ("aggregate", "exact"), [(None, 0.95), ("p50", 0.5), ("p95", 0.95), ("p99", 0.99)]
)
def test_percentiles_over_writers_and_buckets(model, aggregate, exact):
    """Of 0.01 s to 10 s in all; each part holds another piece of that."""
    every = [n / 100 for n in range(1, 1001)]
    for part in range(4):
        start, writer = NOON + 10 * (part // 2), str(part)
        durations(model, every[part * 250 : part * 250 + 250], Bucket10s, start, writer)
    [found] = values(
        fetch("response_time", aggregate=aggregate, step=20, end=NOON + 20)
    )
    bucket = index(10 * exact)
    assert BOUNDS_S[bucket - 1] <= found <= BOUNDS_S[bucket]


@pytest.mark.parametrize(
    ("aggregate", "expected"), [("rate", 0.4), ("sum", 4), ("avg", 2.5)]
)
def test_durations_are_counted_and_averaged(model, aggregate, expected):
    durations(model, [1, 2, 3, 4])
    result = fetch("response_time", aggregate=aggregate, end=NOON + 10)
    assert values(result) == [expected]


def test_several_metrics_of_several_sources(gpu, model):
    other = a_source(key="GPU-2", metrics=["gpu_power"])
    for source in (gpu, other):
        a_bucket(Bucket10s, source, NOON, {"gpu_power": [1, 1, 1, 1]})
    result = fetch("gpu_power", "gpu_temperature", "kv_cache_usage")
    assert [(s["metric"], s["source"]["key"]) for s in result.series] == [
        ("gpu_power", "GPU-1"),
        ("gpu_power", "GPU-2"),
        ("gpu_temperature", "GPU-1"),
        ("kv_cache_usage", "7"),
    ]


def test_sources_outside_the_range_are_left_out(gpu):
    a_source(key="GPU-gone", metrics=["gpu_power"], last_seen=NOON - 1)
    a_source(key="GPU-new", metrics=["gpu_power"], first_seen=NOON + 60)
    keys = [s["source"]["key"] for s in fetch("gpu_power").series]
    assert keys == ["GPU-1"]


@pytest.mark.parametrize("name", ["7", "smol"])
def test_a_source_is_found_by_its_key_or_name(model, name):
    a_source("model", "3", name="smol", metrics=["requests"], last_seen=5)
    a_source("gpu", "7", metrics=["requests"])
    result = fetch("requests", sources=[("model", name)])
    assert [s["source"]["key"] for s in result.series] == ["7"]


def test_key_takes_precedence_over_name(model):
    a_source("model", "smol", name="other", metrics=["requests"], last_seen=5)
    result = fetch("requests", sources=[("model", "smol")])
    assert [s["source"]["name"] for s in result.series] == ["other"]


@pytest.mark.parametrize(
    ("ago", "span", "step", "expected"),
    [
        (0, HOUR, None, ("10s", 10)),
        (0, DAY, None, ("1m", 120)),
        (0, 30 * DAY, None, ("1h", 3600)),
        (3 * DAY, HOUR, None, ("1m", 60)),
        (40 * DAY, DAY, None, ("1h", 3600)),
        (3 * DAY, HOUR, 10, ("1m", 60)),
        (0, DAY, 3600, ("1h", 3600)),
    ],
)
def test_tier(gpu, ago, span, step, expected):
    end = NOON - ago
    result = fetch("gpu_power", start=end - span, end=end, step=step, now=NOON)
    assert (result.tier, result.step) == expected


def test_pruned_range_is_read_from_the_next_tier(gpu):
    mark_pruned(Bucket10s, NOON - 1800)
    assert fetch("gpu_power", start=NOON - HOUR, end=NOON, now=NOON).tier == "1m"
    assert fetch("gpu_power", start=NOON - 1800, end=NOON, now=NOON).tier == "10s"


def test_steps_start_at_multiples_of_their_width(gpu):
    result = fetch("gpu_power", start=NOON + 7, end=NOON + 601, step=60)
    assert result.times == list(range(NOON, NOON + 601, 60))
    assert (result.start, result.end) == (NOON + 7, NOON + 601)


def test_all_tiers_give_the_same_result():
    clock = Clock(NOON)
    recorder = Recorder("test", clock)
    for second in range(2 * HOUR):
        clock.now = NOON + second
        recorder.add("model", "7", "smol", {"requests": 3, "kv_cache_usage": 0.25})
        if second % 60 == 59:
            recorder.flush()
    roll_up(clock.now + 60)
    for step in (10, 60, 3600):
        for metric, expected in (("requests", 3), ("kv_cache_usage", 0.25)):
            result = fetch(metric, end=NOON + 2 * HOUR, now=NOON + 3 * HOUR, step=step)
            assert set(values(result)) == {expected}


@pytest.mark.parametrize(
    ("metrics", "params", "code", "named"),
    [
        (["gpu_powr"], {}, "unknown_metric", {"nearest": "gpu_power"}),
        (["x" * 999], {}, "unknown_metric", {"nearest": ""}),
        (["gpu_power"], {"sources": [("gpu", "GPU-9")]}, "unknown_source",
         {"value": "gpu:GPU-9", "allowed": ["gpu:name of GPU-1"]}),
        (["gpu_power"], {"sources": [("cow", "1")]}, "unknown_source", {"allowed": []}),
        (["gpu_power"], {"aggregate": "p95"}, "aggregate_not_possible",
         {"value": "p95", "metric": "gpu_power", "allowed": ["avg", "min", "max"]}),
        (["requests"], {"aggregate": "avg"}, "aggregate_not_possible",
         {"allowed": ["rate", "sum"]}),
        (["gpu_power"], {"aggregate": "median"}, "aggregate_not_possible", {}),
        (["gpu_power"], {"step": 15}, "bad_step", {"value": "15"}),
        (["gpu_power"], {"step": -10}, "bad_step", {}),
        (["gpu_power"], {"end": NOON}, "end_before_start", {}),
        (["gpu_power"], {"end": NOON + 12 * DAY, "step": 10}, "too_many_points",
         {"value": 103_680, "max": 100_000, "step": 20}),
        ([], {"end": NOON + 12 * DAY, "step": 10}, "too_many_points", {}),
    ],
)  # fmt: skip
def test_invalid_query_is_explained(gpu, metrics, params, code, named):
    found, details = problem(*metrics, **params)
    assert found == code
    assert {name: details[name] for name in named} == named
    assert len(json.dumps(details)) < 3000


def test_suggested_step_is_accepted(gpu):
    params = {"end": NOON + 12 * DAY}
    _, details = problem("gpu_power", step=10, **params)
    assert fetch("gpu_power", step=details["step"], **params).series


def test_all_problems_are_reported_together(gpu):
    with pytest.raises(Invalid) as refused:
        fetch("cows", "gpu_power", aggregate="sum")
    codes = [found.code for found in refused.value.problems]
    assert codes == ["unknown_metric", "aggregate_not_possible"]
    assert "cows" in str(refused.value)


@pytest.mark.parametrize("sources", [1, 3])
def test_queries_do_not_grow_with_sources(sources, django_assert_num_queries):
    for number in range(sources):
        source = a_source(key=f"GPU-{number}", metrics=["gpu_power"])
        a_bucket(Bucket10s, source, NOON, {"gpu_power": [1, 1, 1, 1]})
    with django_assert_num_queries(5):
        assert len(fetch("gpu_power").series) == sources


def test_span_and_step_are_parsed(settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    span = parse_span("2024-01-01", "2024-01-02")
    assert (span.start, span.end) == (1_704_038_400, 1_704_124_800)
    assert parse_step("1m") == 60
    for wrong in (lambda: parse_span(length="1y"), lambda: parse_step("1y")):
        with pytest.raises(Invalid):
            wrong()
