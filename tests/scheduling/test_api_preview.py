import pytest

from models_app.enums import RunState
from models_app.models import Activity, Run, ServedModel
from runtimes.models import Gpu
from scheduling.models import Allocation, Decision
from tests.api import a_body, codes, operator, send
from tests.builders import a_model, a_node, a_run, a_wanted_model
from tests.scheduling.files import a_model_file

pytestmark = pytest.mark.django_db

PREVIEW = "/api/scheduling/preview"


def preview(**body):
    unnamed = {k: v for k, v in a_body().items() if k != "name"}
    return send(operator(), "POST", PREVIEW, {**unnamed, **body})


def changed(model, client=None, **body):
    return send(client or operator(), "POST", PREVIEW, {"id": model.pk, **body})


def a_full_machine() -> Run:
    a_node(cpu_cores=2)
    low = a_wanted_model("low", priority=3, cpu_cores=2, status="running")
    return a_run(low, RunState.READY, cpu_cores=2)


def test_preview_lists_the_placements_of_all_replicas():
    a_node(gpus=[24000, 24000])
    body = preview(gpu_count=1, gpu_memory_mib=20000, replicas=2).json()
    assert body == {
        "placements": [
            {"replica": 0, "node": "here", "gpus": ["GPU-here-0"]},
            {"replica": 1, "node": "here", "gpus": ["GPU-here-1"]},
        ],
        "evictions": [],
        "reason": None,
        "helps": [],
    }


def test_preview_lists_the_runs_it_would_evict():
    run = a_full_machine()
    body = preview(cpu_cores=2, priority=9).json()
    assert body["placements"] == []
    assert body["evictions"] == [{"model": "low", "priority": 3, "run": run.uid}]
    assert body["reason"]["code"] == "making_room"


def test_preview_explains_why_the_model_would_wait():
    a_full_machine()
    body = preview(cpu_cores=2, priority=2).json()
    assert (body["placements"], body["evictions"]) == ([], [])
    assert body["reason"]["message"] == "Needs 2 CPU cores; 0 of 2 are free on here."


def test_preview_omits_evictions_by_other_models():
    a_full_machine()
    a_wanted_model("high", priority=9, cpu_cores=2)
    body = preview(cpu_cores=2, priority=8).json()
    assert body["evictions"] == []
    assert body["reason"]["code"] == "insufficient_cpu"


def test_preview_of_a_change_counts_the_models_own_room_as_free():
    a_node(gpus=[24000]).gpus.update(free_mib=4000)
    model = a_wanted_model(status="running", gpu_count=1, gpu_memory_mib=20000)
    run = a_run(model, RunState.READY)
    Allocation.objects.create(run=run, gpu=Gpu.objects.get(), mib=20000)
    body = changed(model, gpu_memory_mib=22000).json()
    assert body["reason"] is None
    assert body["placements"] == [
        {"replica": 0, "node": "here", "gpus": ["GPU-here-0"]}
    ]


def test_preview_of_a_stopped_model_assumes_a_start():
    a_node(cpu_cores=2)
    body = changed(a_model(cpu_cores=2)).json()
    assert body["placements"] == [{"replica": 0, "node": "here", "gpus": []}]


def test_preview_writes_nothing():
    a_full_machine()
    model = a_model("mine", cpu_cores=1)

    def rows():
        tables = (ServedModel, Run, Activity, Decision, Allocation)
        return [list(table.objects.values()) for table in tables]

    client, body = operator(), a_body("new", priority=9, cpu_cores=2, tags=["a"])
    before = rows()
    assert send(client, "POST", PREVIEW, body).status_code == 200
    assert changed(model, client, priority=9, cpu_cores=2).status_code == 200
    assert rows() == before


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"name": "low"}, ("name", "duplicate_name")),
        ({"name": "NO"}, ("name", "invalid_name")),
        ({"priority": 11}, ("priority", "out_of_range")),
        ({"gpu_count": 9}, ("gpu_count", "out_of_range")),
        ({"config": {}}, ("config.model_path", "missing_key")),
        ({"framework": "none"}, ("framework", "unknown_framework")),
        ({"prio": 1}, ("prio", "unknown_field")),
        ({"id": "x"}, ("id", "wrong_type")),
        ({"id": 0}, ("id", "out_of_range")),
        ({"id": True}, ("id", "wrong_type")),
    ],
)
def test_preview_rejects_what_a_save_rejects(body, problem):
    a_full_machine()
    response = preview(**body)
    assert response.status_code == 400
    assert problem in codes(response)


def test_forced_preview_of_a_too_large_model_waits():
    a_full_machine()
    body = preview(cpu_cores=64, force=True).json()
    assert body["reason"]["code"] == "insufficient_cpu"


def test_preview_of_an_unknown_model_returns_404():
    response = send(operator(), "POST", PREVIEW, {"id": 4711})
    assert response.status_code == 404


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_preview_accepts_only_objects(body):
    assert send(operator(), "POST", PREVIEW, body).status_code == 400


def test_preview_suggests_a_smaller_context():
    a_node(memory_mib=5000)
    config = {"model_path": a_model_file(), "n_ctx": 8192, "n_parallel": 1}
    [offered] = preview(config=config, memory_mib=5200, force=True).json()["helps"]
    assert (offered["action"], offered["params"]["to"]) == ("n_ctx", 4096)
