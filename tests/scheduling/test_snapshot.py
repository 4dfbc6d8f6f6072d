import pytest

from models_app.enums import RunState
from scheduling.models import Allocation
from scheduling.snapshot import load
from tests.builders import a_model, a_node, a_run, a_wanted_model

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("count", [1, 20])
def test_load_takes_a_constant_number_of_queries(count, django_assert_num_queries):
    a_node(gpus=[24000])
    for n in range(count):
        model = a_wanted_model(f"m{n}")
        a_run(model, RunState.ENDED)
        a_run(model, RunState.READY)
    with django_assert_num_queries(6):
        assert len(load().models) == count


def test_load_includes_started_models_and_live_runs():
    a_node(gpus=[24000])
    wanted = a_wanted_model("wanted")
    leaving = a_model("leaving", status="stopping")
    a_model("stopped")
    run = a_run(leaving, RunState.TERMINATING, cpu_cores=3, traffic=2.5)
    Allocation.objects.create(run=run, gpu=a_node().gpus.get(), mib=9000)
    seen = load()
    assert {(m.name, m.wanted) for m in seen.models} == {
        ("wanted", True),
        ("leaving", False),
    }
    [held] = seen.runs
    assert held.traffic == 2.5
    assert (held.model_id, held.cpu_cores, held.stopping) == (leaving.pk, 3, True)
    assert list(held.gpus.values()) == [9000]
    assert wanted.pk in {m.id for m in seen.models}


def test_load_keeps_only_the_history_of_the_current_generation():
    model = a_wanted_model(generation=2)
    a_run(model, RunState.ENDED, generation=1)
    a_run(model, RunState.ENDED, end_code="killed")
    a_run(model, RunState.ENDED, end_code="crashed", gpu_room_mib=8000)
    [seen] = load().models
    assert [run.code for run in seen.history[0]] == ["crashed", "killed"]
    assert [run.gpu_room_mib for run in seen.history[0]] == [8000, 0]


def test_load_ignores_gpu_memory_of_another_configuration():
    model = a_wanted_model()
    a_run(model, RunState.ENDED, config={"n_ctx": 1}, gpu_room_mib=8000)
    a_run(model, RunState.ENDED, gpu_room_mib=9000)
    [seen] = load().models
    assert [run.gpu_room_mib for run in seen.history[0]] == [9000, 0]


@pytest.mark.parametrize(
    ("fields", "cores"),
    [
        ({"cpu_cores": 3}, 3),
        ({"gpu_count": 1}, 1),
        ({"config": {"model_path": "/m", "n_threads": 5}}, 5),
        ({"config": {"model_path": "/m", "n_threads": 5}, "cpu_cores": 2}, 2),
        ({"framework": "gone"}, 1),
    ],
)
def test_load_computes_the_cores_of_a_model(fields, cores):
    a_wanted_model(**fields)
    [seen] = load().models
    assert seen.cpu_cores == cores


@pytest.mark.parametrize(
    ("mode", "takes_runs", "runs_leave"),
    [("open", True, False), ("excluded", False, False), ("drained", False, True)],
)
def test_load_reads_the_mode_of_a_gpu(mode, takes_runs, runs_leave):
    a_node(gpus=[24000]).gpus.update(mode=mode)
    [node] = load().nodes
    [gpu] = node.gpus
    assert (gpu.open, gpu.leave) == (takes_runs, runs_leave)


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({}, (True, False, False)),
        ({"lost": True}, (False, True, False)),
        ({"unhealthy_code": "gpu_needs_reset"}, (False, False, True)),
        ({"unhealthy_code": "gpu_needs_reset", "lost": True}, (False, True, True)),
    ],
)
def test_load_reads_the_health_of_a_gpu(fields, seen):
    a_node(gpus=[24000]).gpus.update(**fields)
    [node] = load().nodes
    [gpu] = node.gpus
    assert (gpu.open, gpu.lost, gpu.unhealthy) == seen


@pytest.mark.parametrize("used", [None, {"GPU-here-0": 7000}])
def test_load_reads_the_measured_memory_of_runs(used):
    a_run(a_wanted_model(), RunState.READY, gpu_used=used)
    [run] = load().runs
    assert run.used == used
