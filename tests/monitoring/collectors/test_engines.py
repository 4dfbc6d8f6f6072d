import pytest

from models_app.enums import RunState
from monitoring.collectors.engines import VALID_S, EngineCollector, gpu_memory
from runtimes.frameworks.metrics import EngineMetrics
from tests.builders import a_run, a_wanted_model

pytestmark = pytest.mark.django_db


def metrics(running=1, waiting=0, generated=None, usage=None):
    return EngineMetrics(
        engine_requests_running=running,
        engine_requests_waiting=waiting,
        engine_generated_tokens=generated,
        kv_cache_usage=usage,
    )


@pytest.fixture
def runs():
    model = a_wanted_model(replicas=2)
    return [a_run(model, RunState.READY, replica=n) for n in range(2)]


def test_replicas_are_summed_except_their_cache_usage(runs):
    engines = EngineCollector()
    for run, usage in zip(runs, (0.2, 0.8), strict=True):
        engines.record(run, metrics(running=3, generated=100, usage=usage), 1)
        engines.record(
            run, metrics(running=2, waiting=1, generated=104, usage=usage), 2
        )
    [sample] = engines.drain(2)
    assert (sample.model_id, sample.name) == (runs[0].model_id, "smol")
    assert sample.values == {
        "engine_requests_running": 4,
        "engine_requests_waiting": 2,
        "engine_generated_tokens": 8,
    }
    assert sample.usages == [0.2, 0.8]


def test_increments_are_drained_once(runs):
    engines = EngineCollector()
    increments = []
    for second, generated in enumerate([50, 60, 60, 75, 5]):
        engines.record(runs[0], metrics(generated=generated), second)
        [sample] = engines.drain(second)
        increments.append(sample.values.get("engine_generated_tokens"))
    # the engine restarted before the last
    assert increments == [None, 10, 0, 15, 5]


def test_reading_stays_valid_for_a_moment(runs):
    engines = EngineCollector()
    engines.record(runs[0], metrics(running=3, generated=1), 10)
    [sample] = engines.drain(10 + VALID_S)
    assert sample.values == {"engine_requests_running": 3, "engine_requests_waiting": 0}
    assert list(engines.drain(10.1 + VALID_S)) == []
    assert engines.increments.last == {}


def test_missing_metrics_are_unknown(runs):
    engines = EngineCollector()
    engines.record(runs[0], EngineMetrics(engine_requests_running=1), 1)
    [sample] = engines.drain(1)
    assert sample.values == {
        "engine_requests_running": 1,
        "engine_requests_waiting": None,
    }
    assert sample.usages == []


@pytest.mark.parametrize(
    ("used", "mib"),
    [
        ([{"a": 10, "b": 20}, {"c": 5}], 35),
        ([{"a": 10, "b": None}, None], 10),
        ([{"a": None}, None], None),
    ],
)
def test_gpu_memory_of_a_model_sums_its_runs(runs, used, mib):
    for run, gpu_used in zip(runs, used, strict=True):
        run.gpu_used = gpu_used
    expected = {} if mib is None else {runs[0].model_id: ("smol", mib)}
    assert gpu_memory(runs) == expected
