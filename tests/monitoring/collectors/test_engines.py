import pytest

from models_app.enums import RunState
from monitoring.collectors.engines import HOLDS_S, Engines, gpu_memory
from runtimes.frameworks.metrics import EngineMetrics
from tests.builders import a_run, a_wanted_model

pytestmark = pytest.mark.django_db


def said(running=1, waiting=0, generated=None, usage=None):
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


def test_replicas_add_up_but_not_the_share_of_their_caches(runs):
    engines = Engines()
    for run, usage in zip(runs, (0.2, 0.8), strict=True):
        engines.hear(run, said(running=3, generated=100, usage=usage), 1)
        engines.hear(run, said(running=2, waiting=1, generated=104, usage=usage), 2)
    [sample] = engines.take(2)
    assert (sample.model_id, sample.name) == (runs[0].model_id, "smol")
    assert sample.values == {
        "engine_requests_running": 4,
        "engine_requests_waiting": 2,
        "engine_generated_tokens": 8,
    }
    assert sample.usages == [0.2, 0.8]


def test_increments_are_taken_once_and_go_on(runs):
    engines = Engines()
    grown = []
    for second, generated in enumerate([50, 60, 60, 75, 5]):
        engines.hear(runs[0], said(generated=generated), second)
        [sample] = engines.take(second)
        grown.append(sample.values.get("engine_generated_tokens"))
    # the last: its counters began again
    assert grown == [None, 10, 0, 15, 5]


def test_answer_that_is_missing_for_a_moment_still_holds(runs):
    engines = Engines()
    engines.hear(runs[0], said(running=3, generated=1), 10)
    [held] = engines.take(10 + HOLDS_S)
    assert held.values == {"engine_requests_running": 3, "engine_requests_waiting": 0}
    assert list(engines.take(10.1 + HOLDS_S)) == []
    assert engines.increments.last == {}


def test_what_an_engine_does_not_tell_is_not_known(runs):
    engines = Engines()
    engines.hear(runs[0], EngineMetrics(engine_requests_running=1), 1)
    [sample] = engines.take(1)
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
def test_gpu_memory_of_a_model_is_that_of_its_runs(runs, used, mib):
    for run, held in zip(runs, used, strict=True):
        run.gpu_used = held
    expected = {} if mib is None else {runs[0].model_id: ("smol", mib)}
    assert gpu_memory(runs) == expected
