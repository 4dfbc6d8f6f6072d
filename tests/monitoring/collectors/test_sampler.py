import json
import time

import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection

from models_app.activity import record
from models_app.enums import RunState
from monitoring.collectors.sampler import Sampler, gpu_values
from monitoring.live import publish, traffic
from monitoring.live.traffic import TrafficReport
from monitoring.metrics import METRICS, PLATFORM_KEY
from monitoring.models import Bucket10s
from runtimes.frameworks.metrics import EngineMetrics
from runtimes.machine.nvml import GpuSeen
from tests.builders import a_model, a_run, a_wanted_model
from tests.monitoring.history.rows import stored

pytestmark = pytest.mark.django_db

GPU = GpuSeen(
    uuid="GPU-1",
    index=0,
    name="H200",
    memory_total=1000,
    memory_used=400,
    utilization=50,
    power=99.5,
    health_events=2,
)
LOST = GpuSeen(uuid="GPU-2", index=1, name="H200", lost=True)


@pytest.fixture
def sampler():
    sampler = Sampler()
    yield sampler
    sampler.traffic.close()
    sampler.host.close()


@pytest.fixture
def broker():
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.flushdb()
        yield broker
        broker.flushdb()


@pytest.fixture
def published(broker):
    def data(topic):
        return json.loads(broker.get(publish.last_message_key(topic)))["data"]

    return data


def broken_database(execute, sql, params, many, context):
    raise OperationalError("down")


def written(sampler):
    assert sampler.recorder.flush()
    rows = Bucket10s.objects.select_related("source")
    found = {}
    for row in rows:
        found.setdefault((row.source.kind, row.source.key), {}).update(stored(row))
    return found


def a_running(name="smol", **fields):
    model = a_wanted_model(name)
    type(model).objects.filter(pk=model.pk).update(status="running")
    return a_run(model, RunState.READY, **fields)


def record_engine(sampler, run, generated):
    metrics = EngineMetrics(
        engine_requests_running=2,
        engine_requests_waiting=1,
        engine_generated_tokens=generated,
        kv_cache_usage=0.5,
    )
    sampler.record_engine(run, metrics)


def test_samples_are_recorded_in_history(sampler, broker):
    run = a_running(gpu_used={"GPU-1": 300})
    for generated in (100, 130):
        record_engine(sampler, run, generated)
        sampler.step([GPU, LOST], [run])
    found = written(sampler)
    model = found["model", str(run.model_id)]
    assert model["engine_generated_tokens"][2] == 30
    assert model["engine_requests_waiting"][:2] == [1, 1]
    assert model["kv_cache_usage"][1] == 0.5
    assert model["model_gpu_memory"][:2] == [300, 300]
    assert found["gpu", "GPU-1"]["gpu_memory_used"][:2] == [400, 400]
    assert found["gpu", "GPU-1"]["gpu_health_events"][2] == 4
    assert "gpu_temperature" not in found["gpu", "GPU-1"]
    assert list(found["gpu", "GPU-2"]) == ["gpu_health_events", "gpu_unavailable"]
    assert found["platform", PLATFORM_KEY]["models_running"][:2] == [1, 1]
    assert found["host", settings.NODE_NAME]["memory_total"][0] > 0


def test_topics_show_the_current_state(sampler, broker, published):
    run = a_running()
    other = a_model("idle")
    counts = {"requests": 4, "errors": 1, "in_flight": 2, "prompt_tokens": 1}
    model = {
        **counts,
        "completion_tokens": 40,
        "response_time": {"sum": 4.0, "counts": {"15": 4}},
    }
    text = TrafficReport(time.time(), 1.0, {str(run.model_id): model}).encode()
    broker.hset(traffic.KEY, "gateway", text)
    record_engine(sampler, run, 1)
    sampler.step([GPU, LOST], [run])
    smol, idle = sorted(published(publish.MODELS), key=lambda m: m["name"] == "idle")
    assert smol.pop("response_time_p95") == pytest.approx(1, abs=0.4)
    assert smol == {
        "id": run.model_id,
        "name": "smol",
        "status": "running",
        "requests_per_s": 4,
        "errors_per_s": 1,
        "tokens_per_s": 40,
        "concurrency": 2,
        "kv_cache_usage": 0.5,
        "engine_requests_running": 2,
        "engine_requests_waiting": 1,
    }
    assert (idle["id"], idle["requests_per_s"]) == (other.pk, 0)
    assert idle["response_time_p95"] is idle["kv_cache_usage"] is None
    gpu, lost = published(publish.GPUS)
    assert (gpu["gpu_power"], gpu["health"]) == (99.5, "ok")
    assert gpu["node"] == settings.NODE_NAME
    assert (lost["health"], "gpu_power" in lost) == ("lost", False)
    assert (
        published(publish.STATUS)["running"]
        == published(publish.STATUS)["stopped"]
        == 1
    )
    assert published(publish.HOST)["memory_total"] > 0


def test_rates_of_the_host_are_per_second(sampler, published):
    sampler.step([], [])
    sampler.last_step -= 10
    keys = list(sampler.host.increments.last)
    for key in keys:
        raw, process = sampler.host.increments.last[key]
        sampler.host.increments.last[key] = (raw - 10**9 // len(keys), process)
    sampler.step([], [])
    rates = [v for k, v in published(publish.HOST).items() if k.endswith("_bytes")]
    assert sum(rates) == pytest.approx(10**8, rel=0.3)


def test_new_activity_is_published_once(sampler, broker, published):
    record("engine_reaped", params={"uid": "x"})
    sampler.step([], [])
    first = published(publish.ACTIVITY)["latest"]
    broker.delete(publish.last_message_key(publish.ACTIVITY))
    sampler.step([], [])
    assert broker.get(publish.last_message_key(publish.ACTIVITY)) is None
    record("engine_reaped", params={"uid": "y"})
    sampler.step([], [])
    assert published(publish.ACTIVITY)["latest"] > first


def test_live_view_works_while_the_database_is_down(sampler, broker, published):
    run = a_running()
    sampler.step([GPU], [run])
    broker.flushdb()
    with connection.execute_wrapper(broken_database):
        sampler.bucket = 0
        sampler.step([GPU], [run])
    assert published(publish.MODELS)[0]["name"] == "smol"
    assert published(publish.GPUS)
    found = written(sampler)
    assert sum(found["gpu", "GPU-1"]["gpu_power"][3:]) in (1, 2)


def test_unknown_gpus_leave_a_gap(sampler, broker):
    sampler.step(None, [])
    assert not any(kind == "gpu" for kind, _ in written(sampler))


def test_every_gpu_metric_has_a_value():
    names = {metric.name for metric in METRICS.values() if metric.source == "gpu"}
    assert gpu_values(GPU).keys() == names - {"gpu_unavailable"}
