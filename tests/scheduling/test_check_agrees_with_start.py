"""Preflight and preview predict exactly what a start then does."""

import pytest
from rest_framework.test import APIClient

from models_app.enums import RunState
from models_app.lifecycle import request_start
from models_app.models import Run, ServedModel
from scheduling.models import Allocation, Decision
from scheduling.tasks import tick
from tests.api import operator, send
from tests.builders import a_model, a_node, a_run, a_wanted_model
from tests.scheduling.files import a_model_file

pytestmark = pytest.mark.django_db

PREFLIGHT = "/api/models/preflight"
PREVIEW = "/api/scheduling/preview"
MIB = 20_000


@pytest.fixture(autouse=True)
def _here(settings):
    settings.NODE_NAME = "here"
    settings.MIN_RUNNING_SECONDS = settings.COOL_DOWN_SECONDS = 0


def running(name: str, **fields) -> Run:
    """A run that holds all that its model needs."""
    model = a_wanted_model(name, status="running", **fields)
    run = a_run(
        model,
        RunState.READY,
        cpu_cores=model.cpu_cores,
        memory_mib=model.memory_mib,
        gpu_uuids=["GPU-here-0"] * model.gpu_count,
    )
    if model.gpu_count:
        gpu = a_node().gpus.get()
        Allocation.objects.create(run=run, gpu=gpu, mib=model.gpu_memory_mib)
        gpu.free_mib = gpu.memory_mib - model.gpu_memory_mib
        gpu.save()
    return run


def check(client: APIClient, model: ServedModel) -> str:
    body = send(client, "POST", PREFLIGHT, {"id": model.pk}).json()
    levels = {line["name"]: line["level"] for line in body["findings"]}
    if "placement" in levels:
        return {"ok": "starts", "warning": "evicts"}[levels["placement"]]
    assert "warning" in {levels[name] for name in ("cpu", "memory", "gpus")}
    return "waits"


def preview(client: APIClient, model: ServedModel) -> str:
    body = send(client, "POST", PREVIEW, {"id": model.pk}).json()
    if body["placements"]:
        return "starts"
    return "evicts" if body["evictions"] else "waits"


def start(model: ServedModel) -> str:
    request_start(model)
    tick()
    if Run.objects.live().filter(model=model).exists():
        return "starts"
    return "evicts" if Decision.objects.filter(kind="eviction").exists() else "waits"


CPU = {"cpu_cores": 6}
MEMORY = {"memory_mib": 40_000, "cpu_cores": 1}
GPU = {"gpu_count": 1, "gpu_memory_mib": MIB, "cpu_cores": 1}


@pytest.mark.parametrize("size", [CPU, MEMORY, GPU], ids=["cpu", "memory", "gpu"])
@pytest.mark.parametrize(
    ("gap", "held", "new", "outcome"),
    [
        (1, {"priority": 5}, {"priority": 5}, "waits"),
        (1, {"priority": 5}, {"priority": 6}, "evicts"),
        (3, {"priority": 5}, {"priority": 6}, "waits"),
        (3, {"priority": 5}, {"priority": 7}, "waits"),
        (3, {"priority": 5}, {"priority": 8}, "evicts"),
        (1, {"priority": 1, "preemptible": False}, {"priority": 9}, "waits"),
        (1, {"priority": 1}, {"priority": 9, "preempts": False}, "waits"),
        (1, None, {"priority": 1}, "starts"),
    ],
)
def test_check_and_preview_predict_what_start_does(
    settings, size, gap, held, new, outcome
):
    settings.PRIORITY_GAP = gap
    a_node(gpus=[24_000])
    if held:
        running("low", **size, **held)
    config = {"model_path": a_model_file(), "n_threads": 1}
    model = a_model("new", config=config, **size, **new)
    client = operator()
    predicted = (check(client, model), preview(client, model))
    assert (*predicted, start(model)) == (outcome,) * 3


def test_check_names_the_models_that_would_be_stopped():
    a_node()
    running("low", cpu_cores=6, priority=2)
    config = {"model_path": a_model_file(), "n_threads": 1}
    model = a_model("new", config=config, cpu_cores=6, priority=9)
    findings = send(operator(), "POST", PREFLIGHT, {"id": model.pk}).json()["findings"]
    line = next(line for line in findings if line["name"] == "placement")
    assert line["message"] == "Starting it on here would stop: low (priority 2)."
    assert line["advice"] == "Lower its priority to keep them running."
