"""Lines about machines, from their database rows."""

import socket

import pytest

from models_app.enums import RunState
from models_app.models import ServedModel
from runtimes.models import Gpu
from runtimes.preflight.report import preflight
from tests.builders import a_model, a_node, a_run, a_wanted_model

pytestmark = pytest.mark.django_db


def line(gguf, name, **fields):
    config = {"model_path": str(gguf), "n_threads": 1, **fields.pop("config", {})}
    findings = preflight(ServedModel(config=config, **fields))
    return next(finding for finding in findings if finding.name == name)


@pytest.mark.parametrize("name", ["cpu", "memory", "gpus"])
def test_without_machines_sizes_are_unknown(gguf, name):
    found = line(gguf, name, gpu_count=1)
    assert found.level == "warning"
    assert (
        found.message
        == "No machine has been found yet. Is the monitor process running?"
    )


@pytest.mark.parametrize(
    ("name", "fields", "level"),
    [
        ("cpu", {}, "ok"),
        ("cpu", {"cpu_cores": 9}, "error"),
        ("cpu", {"config": {"n_threads": 9}}, "error"),
        ("cpu", {"config": {"n_threads": 9}, "gpu_count": 1}, "ok"),
        ("memory", {}, "ok"),
        ("memory", {"memory_mib": 1}, "warning"),
        ("memory", {"memory_mib": 64_001}, "error"),
        ("memory", {"config": {"n_ctx": 1_048_576, "n_parallel": 256}}, "error"),
        ("gpus", {}, "ok"),
        ("gpus", {"gpu_count": 1, "gpu_memory_mib": 20_000}, "ok"),
        ("gpus", {"gpu_count": 1, "gpu_memory_mib": 1}, "warning"),
        ("gpus", {"gpu_count": 3}, "error"),
        ("gpus", {"gpu_count": 1, "gpu_memory_mib": 24_001}, "error"),
        ("gpus", {"gpu_count": 1, "gpu_memory_mib": 23_900}, "error"),  # kept back
        ("gpus", {"gpu_count": 1, "pinned_gpus": ["GPU-none"]}, "error"),
        ("gpus", {"gpu_count": 2, "pinned_gpus": ["GPU-here-0"]}, "error"),
    ],
)
def test_sizes_are_compared_with_the_machines(gguf, name, fields, level):
    a_node(gpus=[24_000, 24_000])
    found = line(gguf, name, **fields)
    assert found.level == level
    assert bool(found.advice) == (level != "ok")


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"free_mib": 24_000}, "ok", ""),
        ({"free_mib": 3000}, "warning", ""),
        ({"mode": "excluded"}, "error", "Excluded"),
        ({"lost": True}, "error", "The driver can no longer reach the GPU."),
        (
            {"unhealthy_code": "gpu_needs_reset", "unhealthy_params": {"xid": 79}},
            "error",
            "XID 79",
        ),
        ({"present": False}, "error", ""),
    ],
)
def test_gpus_must_be_open_healthy_and_free(gguf, changes, level, text):
    a_node(gpus=[24_000, 24_000])
    Gpu.objects.filter(index=1).update(**changes)
    found = line(gguf, "gpus", gpu_count=2, gpu_memory_mib=40_000)
    assert found.level == level
    assert text in found.message


def test_ports_of_runs_and_other_processes_are_taken(gguf, settings):
    with socket.create_server(("127.0.0.1", 0)) as other:
        first = other.getsockname()[1]
        settings.ENGINE_PORTS = range(first, first + 2)
        assert line(gguf, "port", replicas=2).level == "ok"
        found = line(gguf, "port", replicas=2, driver="docker")
        assert found.level == "warning"
        assert found.message.startswith("1 of 2 ports")
        a_run(a_model(), port=first + 1, node=settings.NODE_NAME)
        assert line(gguf, "port", driver="docker").level == "error"


def test_measured_memory_counts_as_well_as_the_estimate(gguf):
    a_node(gpus=[24_000])
    config = {"model_path": str(gguf), "n_threads": 1}
    model = a_model(config=config, gpu_count=1, gpu_memory_mib=1000, memory_mib=9000)
    found = {f.name: f for f in preflight(model)}
    assert (found["memory"].level, found["gpus"].level) == ("ok", "ok")
    a_run(
        model,
        RunState.READY,
        gpu_uuids=["GPU-here-0"],
        memory_peak_mib=9001,
        gpu_peak_mib=1001,
    )
    found = {f.name: f for f in preflight(model)}
    assert found["memory"].advice == "Set its memory to 9001 MiB."
    assert found["gpus"].advice == "Set its GPU memory to 1001 MiB."


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({}, "warning"),
        ({"priority": 6}, "ok"),  # takes the other's place
        ({"priority": 6, "preempts": False}, "warning"),
    ],
)
@pytest.mark.parametrize(
    ("name", "sizes", "text"),
    [
        ("cpu", {"cpu_cores": 3}, "Needs 3 CPU cores; 2 of 8 are free on here."),
        (
            "memory",
            {"memory_mib": 40_000},
            "Needs 40000 MiB of memory; 2976 of 62976 MiB are free on here.",
        ),
    ],
)
def test_model_waits_for_what_others_hold(gguf, name, sizes, text, fields, level):
    a_node()
    holder = a_wanted_model(priority=5)
    a_run(holder, RunState.READY, cpu_cores=6, memory_mib=60_000)
    found = line(gguf, name, **sizes, **fields)
    assert found.level == level
    assert (text in found.message) == (level == "warning")
    advice = "It would wait until enough resources are free."
    assert found.advice == (advice if level == "warning" else "")


@pytest.mark.parametrize("name", ["cpu", "memory"])
def test_resources_of_the_model_itself_count_as_free(gguf, name):
    a_node()
    config = {"model_path": str(gguf), "n_threads": 1}
    model = a_model(config=config, cpu_cores=6, memory_mib=60_000)
    a_run(model, RunState.READY, cpu_cores=6, memory_mib=60_000)
    found = {finding.name: finding for finding in preflight(model)}
    assert found[name].level == "ok"
