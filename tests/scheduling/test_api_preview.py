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


def low_holds_all() -> Run:
    a_node(cpu_cores=2)
    low = a_wanted_model("low", priority=3, cpu_cores=2, status="running")
    return a_run(low, RunState.READY, cpu_cores=2)


def test_preview_names_the_places_of_all_replicas():
    a_node(gpus=[24000, 24000])
    told = preview(gpu_count=1, gpu_memory_mib=20000, replicas=2).json()
    assert told == {
        "placements": [
            {"replica": 0, "node": "here", "gpus": ["GPU-here-0"]},
            {"replica": 1, "node": "here", "gpus": ["GPU-here-1"]},
        ],
        "evictions": [],
        "reason": None,
        "helps": [],
    }


def test_preview_names_whom_it_would_evict():
    run = low_holds_all()
    told = preview(cpu_cores=2, priority=9).json()
    assert told["placements"] == []
    assert told["evictions"] == [{"model": "low", "priority": 3, "run": run.uid}]
    assert told["reason"]["code"] == "making_room"


def test_preview_tells_why_it_would_wait():
    low_holds_all()
    told = preview(cpu_cores=2, priority=2).json()
    assert (told["placements"], told["evictions"]) == ([], [])
    assert told["reason"]["message"] == "Needs 2 CPU cores; 0 of 2 are free on here."


def test_preview_leaves_what_others_evict_to_them():
    low_holds_all()
    a_wanted_model("high", priority=9, cpu_cores=2)
    told = preview(cpu_cores=2, priority=8).json()
    assert told["evictions"] == []
    assert told["reason"]["code"] == "insufficient_cpu"


def test_preview_of_a_change_counts_its_own_room_as_free():
    a_node(gpus=[24000]).gpus.update(free_mib=4000)
    model = a_wanted_model(status="running", gpu_count=1, gpu_memory_mib=20000)
    run = a_run(model, RunState.READY)
    Allocation.objects.create(run=run, gpu=Gpu.objects.get(), mib=20000)
    told = changed(model, gpu_memory_mib=22000).json()
    assert told["reason"] is None
    assert told["placements"] == [
        {"replica": 0, "node": "here", "gpus": ["GPU-here-0"]}
    ]


def test_preview_of_a_stopped_model_is_of_its_start():
    a_node(cpu_cores=2)
    told = changed(a_model(cpu_cores=2)).json()
    assert told["placements"] == [{"replica": 0, "node": "here", "gpus": []}]


def test_preview_writes_nothing():
    low_holds_all()
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
    ("body", "found"),
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
def test_preview_refuses_what_a_save_refuses(body, found):
    low_holds_all()
    answer = preview(**body)
    assert answer.status_code == 400
    assert found in codes(answer)


def test_preview_of_more_than_there_is_waits_when_forced():
    low_holds_all()
    told = preview(cpu_cores=64, force=True).json()
    assert told["reason"]["code"] == "insufficient_cpu"


def test_preview_of_a_model_that_is_gone_is_not_found():
    answer = send(operator(), "POST", PREVIEW, {"id": 4711})
    assert answer.status_code == 404


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_preview_takes_objects_only(body):
    assert send(operator(), "POST", PREVIEW, body).status_code == 400


def test_preview_tells_what_would_help():
    a_node(memory_mib=5000)
    config = {"model_path": a_model_file(), "n_ctx": 8192, "n_parallel": 1}
    [offered] = preview(config=config, memory_mib=5200, force=True).json()["helps"]
    assert (offered["action"], offered["params"]["to"]) == ("n_ctx", 4096)
