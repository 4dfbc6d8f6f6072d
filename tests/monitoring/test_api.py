import time
from datetime import timedelta

import pytest
from django.utils import timezone

from common import broker
from monitoring.exports.times import iso
from monitoring.history.params import HistoryQuery
from monitoring.history.query import run_query
from monitoring.live import latest, publish
from monitoring.metrics import METRICS
from monitoring.models import Bucket10s
from tests.api import client_of, codes
from tests.builders import a_model, a_node, a_run, a_user
from tests.monitoring.exports.data import END, START, a_history
from tests.monitoring.history.rows import a_bucket, a_source

pytestmark = pytest.mark.django_db

HISTORY = "/api/monitoring/metrics"


@pytest.fixture
def viewer():
    return client_of(a_user("viewer"))


@pytest.fixture(autouse=True)
def _no_published_data():
    """Keeps data published by one test from the next."""
    keys = [publish.last_message_key(topic) for topic in publish.TOPICS]
    broker.client().delete(*keys)
    yield
    broker.client().delete(*keys)


@pytest.mark.parametrize("path", [HISTORY, f"{HISTORY}/"])
@pytest.mark.parametrize(
    "params",
    [
        {"metric": ["gpu_power", "requests"]},
        {"metric": "gpu_power,requests"},
        {"metric": ["gpu_power", "requests"], "source": ["gpu:GPU-1", "model:机器一"]},
        {"metric": "gpu_power", "step": "1m", "aggregate": "max"},
        {"metric": "response_time", "aggregate": "p99"},
        {"metric": "gpu_power", "format": "json"},
    ],
)
def test_history_matches_the_query(viewer, path, params):
    a_history()
    span = {"start_time": iso(START), "end_time": iso(END)}
    response = viewer.get(path, {**params, **span})
    metric = params["metric"]
    metrics = metric.split(",") if isinstance(metric, str) else metric
    sources = [tuple(text.split(":")) for text in params.get("source", [])]
    expected = run_query(
        HistoryQuery(
            start=START,
            end=END,
            metrics=metrics,
            sources=sources or None,
            step=60 if "step" in params else None,
            aggregate=params.get("aggregate"),
        )
    )
    assert response.status_code == 200
    data = response.json()
    assert (data["tier"], data["step"]) == (expected.tier, expected.step)
    assert (data["times"], data["series"]) == (expected.times, expected.series)
    assert data["series"]


def test_dates_are_in_the_servers_time_zone(viewer, settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    params = {"start_time": "2024-01-01", "end_time": "2024-01-02"}
    data = viewer.get(HISTORY, params).json()
    assert (data["start"], data["end"]) == (1704038400, 1704124800)


def test_default_is_everything_of_the_last_hour(viewer):
    source = a_source("gpu", "GPU-1", metrics=["gpu_power"])
    a_bucket(
        Bucket10s, source, int(time.time()) // 10 * 10 - 60, {"gpu_power": [1, 1, 1, 1]}
    )
    data = viewer.get(HISTORY).json()
    assert data["end"] - data["start"] == 3600
    assert [s["metric"] for s in data["series"]] == ["gpu_power"]


DAY = {"start_time": "2024-01-01", "end_time": "2024-01-02"}
BAD = [
    (
        {"start_time": "2024-01-02", "end_time": "2024-01-01"},
        ("end_time", "end_before_start"),
        ("2024-01-01", "2024-01-02"),
    ),
    (
        {"start_time": "2021-01-01", "end_time": "2024-01-02"},
        ("start_time", "range_too_long"),
        ("731",),
    ),
    (
        {**DAY, "metric": "gpu_powr"},
        ("metric", "unknown_metric"),
        ("gpu_powr", "gpu_power"),
    ),
    (
        {**DAY, "metric": "x" * 500},
        ("metric", "unknown_metric"),
        ("gpu_power", "response_time"),
    ),
    (
        {**DAY, "metric": "gpu_power", "source": "gpu:GPU-9"},
        ("source", "unknown_source"),
        ("gpu:GPU-9", "gpu:"),
    ),
    (
        {**DAY, "metric": "gpu_power", "source": "nothing"},
        ("source", "unknown_source"),
        ("nothing", "gpu:0 H200"),
    ),
    (
        {**DAY, "start_time": "2024-01-01T00:00:00+99:00"},
        ("start_time", "bad_time"),
        ("+99:00", "+08:00"),
    ),
    (
        {**DAY, "start_time": "yesterday"},
        ("start_time", "bad_time"),
        ("yesterday", "2024-01-31"),
    ),
    ({"range": "2h"}, ("range", "unknown_range"), ("2h", "1h, 24h, 7d, 30d")),
    ({**DAY, "range": "1h"}, ("range", "range_and_times"), ("range", "start_time")),
    ({**DAY, "step": "7"}, ("step", "bad_step"), ("7", "10s, 1m, 1h")),
    (
        {**DAY, "metric": "gpu_power", "aggregate": "p95"},
        ("aggregate", "aggregate_not_possible"),
        ("p95", "gpu_power", "avg, min, max"),
    ),
    (
        {**DAY, "aggregate": "median"},
        ("aggregate", "unknown_aggregate"),
        ("median", "avg, min, max, rate, sum, p50, p95, p99"),
    ),
    ({"range": ""}, ("range", "unknown_range"), ("range", "1h, 24h, 7d, 30d")),
    (
        {**DAY, "aggregate": ""},
        ("aggregate", "unknown_aggregate"),
        ("avg, min, max, rate, sum, p50, p95, p99",),
    ),
    (
        {**DAY, "step": ["1m", "1h"]},
        ("step", "repeated_parameter"),
        ("step",),
    ),
    (
        {**DAY, "metrics": "gpu_power"},
        ("metrics", "unknown_field"),
        ("metrics", "metric"),
    ),
]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize(("params", "problem", "named"), BAD)
@pytest.mark.parametrize("path", [HISTORY, "/api/monitoring/export"])
def test_invalid_params_are_rejected_with_what_is_allowed(
    viewer, language, params, problem, named, path
):
    a_history()
    headers = {"Accept-Language": language}
    also = {} if path == HISTORY else {"format": "csv"}
    response = viewer.get(path, {**params, **also}, headers=headers)
    assert response.status_code == 400
    assert codes(response) == [problem]
    message = response.json()["message"]
    assert [text for text in named if text not in message] == []
    is_chinese = any(
        "\u4e00" <= char <= "\u9fff" for char in message.replace("机器一", "")
    )
    assert is_chinese == (language == "zh-hans")


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_too_many_points_are_rejected_with_a_valid_step(viewer, language):
    until = int(time.time())
    for number in range(8):
        a_source("gpu", f"GPU-{number}", metrics=["gpu_power"])
    params = {
        "start_time": iso(until - 40 * 3600),
        "end_time": iso(until),
        "metric": "gpu_power",
        "step": 10,
    }
    response = viewer.get(HISTORY, params, headers={"Accept-Language": language})
    assert codes(response) == [("step", "too_many_points")]
    smallest = response.json()["errors"][0]["params"]["step"]
    assert str(smallest) in response.json()["message"]
    assert viewer.get(HISTORY, {**params, "step": smallest}).status_code == 200


def test_series_lists_sources_and_metrics(viewer):
    a_source("gpu", "GPU-1", name="0 H200", node="here", metrics=["gpu_power", "gone"])
    data = viewer.get("/api/monitoring/series").json()
    assert data == [
        {
            "kind": "gpu",
            "key": "GPU-1",
            "name": "0 H200",
            "node": "here",
            "metrics": [
                {
                    "name": "gpu_power",
                    "unit": "watt",
                    "kind": "gauge",
                    "label": "GPU power",
                }
            ],
            "first_seen": 0,
            "last_seen": 2**40,
        }
    ]


# the system now

STATUS, GPU = "/api/system/status", "/api/system/gpu"


def measured(kind, key, **values):
    source = a_source(kind, key, metrics=list(values))
    start = int(time.time()) // 10 * 10 - 10
    a_bucket(Bucket10s, source, start, values)


@pytest.mark.parametrize("path", [STATUS, f"{STATUS}/"])
def test_status_of_an_empty_installation(viewer, path):
    data = viewer.get(path).json()
    assert data["version"] == "0.1.0"
    assert data["database"]["ok"] is True
    assert data["broker"] == {"ok": True}
    assert data["monitor"] == {"ok": False, "seen_at": None, "age_s": None}
    assert data["worker"] == {"ok": False, "seen_at": None, "age_s": None}
    assert (data["host"], data["machines"], data["models"]["total"]) == (None, [], 0)
    assert data["gpus"] == {"total": 0, "healthy": 0, "memory_mib": 0, "used_mib": 0}


def test_status_counts_models_and_gpus(viewer, settings):
    a_model("one", status="error", desired_state="running")
    a_model("two")
    node = a_node(settings.NODE_NAME, gpus=[1000, 2000])
    node.gpus.filter(index=0).update(free_mib=400)
    node.gpus.filter(index=1).update(free_mib=None, lost=True)
    data = viewer.get(STATUS).json()
    assert data["monitor"]["ok"] is True
    assert data["models"]["total"] == 2
    assert (data["models"]["error"], data["models"]["stopped"]) == (1, 1)
    assert data["gpus"] == {
        "total": 2, "healthy": 1, "memory_mib": 3000, "used_mib": 600,
    }  # fmt: skip
    assert [machine["fresh"] for machine in data["machines"]] == [True]


def test_silent_monitor_is_not_ok(viewer):
    a_node(seen_at=timezone.now() - timedelta(minutes=1))
    data = viewer.get(STATUS).json()
    assert (data["monitor"]["ok"], data["machines"][0]["fresh"]) == (False, False)
    assert 59 < data["monitor"]["age_s"] < 70


def test_host_has_the_last_published_values(viewer, settings):
    measured("host", settings.NODE_NAME, cpu_utilization=[10, 30, 200, 10])
    assert viewer.get(STATUS).json()["host"] == {
        "node": settings.NODE_NAME, "metrics": {"cpu_utilization": 20.0},
    }  # fmt: skip
    publish.publish(publish.HOST, {"cpu_utilization": 55.5, "load_1m": None})
    assert viewer.get(STATUS).json()["host"]["metrics"] == {
        "cpu_utilization": 55.5, "load_1m": None,
    }  # fmt: skip


@pytest.fixture
def no_broker(settings):
    settings.REDIS_URL = "unix:///nowhere/broker.sock"
    latest.client.cache_clear()
    yield
    latest.client.cache_clear()


def test_status_works_without_a_broker(viewer, settings, no_broker):
    a_node(settings.NODE_NAME, gpus=[1000])
    measured("host", settings.NODE_NAME, network_sent_bytes=[0, 50, 200, 10])
    measured("gpu", f"GPU-{settings.NODE_NAME}-0", gpu_power=[100, 300, 2000, 10])
    data = viewer.get(STATUS).json()
    assert data["broker"] == {"ok": False}
    assert data["host"]["metrics"] == {"network_sent_bytes": 20.0}
    assert viewer.get(GPU).json()["gpus"][0]["metrics"]["gpu_power"] == 200.0


@pytest.mark.parametrize("path", [GPU, f"{GPU}/"])
def test_missing_gpu_is_reported(viewer, path):
    assert viewer.get(path).json() == {"gpus": [], "detail": "no_gpu_found"}


def test_gpu_has_identity_health_metrics_and_users(viewer):
    a_node(gpus=[1000, 2000])
    run = a_run(
        a_model("模型".encode().hex()), state="ready", gpu_uuids=["GPU-here-1"],
        gpu_used={"GPU-here-1": 700},
    )  # fmt: skip
    publish.publish(publish.GPUS, [{"uuid": "GPU-here-1", "gpu_power": 300.5}])
    data = viewer.get(GPU).json()
    assert data["detail"] is None
    first, second = data["gpus"]
    assert (first["index"], first["memory"]["total_mib"]) == (0, 1000)
    assert first["used_by"] == []
    assert set(first["metrics"]) == {n for n, m in METRICS.items() if m.source == "gpu"}
    assert set(first["metrics"].values()) == {None}
    assert (second["node"], second["mode"], second["health"]) == ("here", "open", "ok")
    assert second["metrics"]["gpu_power"] == 300.5
    assert second["used_by"] == [
        {
            "model": run.model.name,
            "model_id": run.model_id,
            "run": run.uid,
            "replica": 0,
            "state": "ready",
            "used_mib": 700,
        }
    ]


def test_lost_gpu_has_a_reason(viewer):
    a_node(gpus=[1000]).gpus.update(lost=True)
    (gpu,) = viewer.get(GPU).json()["gpus"]
    assert (gpu["health"], gpu["reason"]["code"]) == (2 * ("gpu_unreachable",))


@pytest.mark.parametrize("path", [STATUS, GPU])
def test_queries_do_not_grow_with_rows(viewer, path, django_assert_max_num_queries):
    a_node("one", gpus=[1000] * 8)
    a_node("two", gpus=[1000] * 8)
    for number in range(5):
        a_run(a_model(f"m{number}"), state="ready", gpu_uuids=["GPU-one-1"])
    with django_assert_max_num_queries(14):
        viewer.get(path)
