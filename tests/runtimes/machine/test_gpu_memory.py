"""From real processes, whose ids the fake driver names, to what is free for models."""

import os
import subprocess

import pytest

from common.network.sockets import socket_of
from models_app.enums import RunState
from models_app.models import Run
from runtimes.machine import inventory
from runtimes.machine.nvml import Nvml
from runtimes.registry import driver
from tests.builders import a_node, a_run, a_wanted_model
from tests.fakes import nvml as fake
from tests.runtimes.processes import kill_owned, pid_in, shell

pytestmark = pytest.mark.django_db

OF_ANOTHER_NAMESPACE = 2**22 + 1  # beyond the largest process id


@pytest.fixture
def nvml():
    fake.load()
    reader = Nvml()
    yield reader
    reader.close()


@pytest.fixture
def engines():
    yield driver("process")
    kill_owned(driver("process"))


@pytest.fixture
def stranger():
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def a_run_on(*gpus: int, name="m", state=RunState.READY) -> Run:
    a_node()
    uuids = [f"GPU-{n:04}" for n in gpus]
    return a_run(a_wanted_model(name), state, gpu_uuids=uuids, node=here())


def here() -> str:
    return inventory.write(None).name


def start(engines, run: Run, script: str, path) -> int:
    """Process id that the engine writes down, in the folder where it may."""
    path = socket_of(engines.runs_dir, run.uid).with_name(path.name)
    engines.start(run.uid, shell(script.format(pid=path, write_pid=f"echo $$ >{path}")))
    return pid_in(path)


def measure(nvml, *gpus) -> dict[str, dict[str, int] | None]:
    fake.set_gpus(
        *(fake.a_gpu(n, processes=processes) for n, processes in enumerate(gpus))
    )
    inventory.write(nvml.read())
    return dict(Run.objects.values_list("model__name", "gpu_used"))


@pytest.mark.parametrize(
    "script",
    [
        "{write_pid}; exec sleep 60",
        "sleep 60 & echo $! >{pid}; wait",
        "env -i sh -c '{write_pid}; exec sleep 60'; true",
        "setsid env -i sh -c '{write_pid}; exec sleep 60' & wait",
        "(setsid env -i sh -c '{write_pid}; exec sleep 60' &); exec sleep 60",
    ],
    ids=["engine", "child", "without marks", "in its own session", "orphan"],
)
def test_memory_of_any_process_of_an_engine_is_its_run_s(
    nvml, engines, tmp_path, script
):
    run = a_run_on(0)
    pid = start(engines, run, script, tmp_path / "pid")
    assert measure(nvml, {pid: 5000}) == {"m": {"GPU-0000": 5000}}
    assert measure(nvml, {pid: 5100}) == {"m": {"GPU-0000": 5100}}


def test_memory_of_several_processes_and_gpus_is_added_up(
    nvml, engines, tmp_path, stranger
):
    one, two = a_run_on(0, 1, name="one"), a_run_on(1, name="two")
    first = start(engines, one, "{write_pid}; exec sleep 60", tmp_path / "1")
    second = start(engines, two, "{write_pid}; exec sleep 60", tmp_path / "2")
    shim = engines.find(one.uid).pid
    seen = measure(
        nvml,
        {first: 4000, shim: 10, stranger: 7000},
        {first: 3000, second: 2000, os.getpid(): 50},
    )
    assert seen == {
        "one": {"GPU-0000": 4010, "GPU-0001": 3000},
        "two": {"GPU-0001": 2000},
    }


def test_engine_on_a_gpu_that_it_did_not_book_is_seen(nvml, engines, tmp_path):
    run = a_run_on()
    pid = start(engines, run, "{write_pid}; exec sleep 60", tmp_path / "pid")
    assert measure(nvml, {pid: 300}, {}) == {"m": {"GPU-0000": 300}}


@pytest.mark.parametrize(
    ("processes", "used"),
    [
        ("!3", None),
        ({OF_ANOTHER_NAMESPACE: 5000}, None),
        ({}, None),  # it serves: the driver keeps silent about it
    ],
)
def test_what_cannot_be_measured_is_not_known(nvml, processes, used):
    a_run_on(0)
    assert measure(nvml, processes) == {"m": used}


def test_size_that_is_not_reported_is_not_known(nvml, engines, tmp_path):
    pid = start(engines, a_run_on(0), "{write_pid}; exec sleep 60", tmp_path / "pid")
    assert measure(nvml, {pid: 5000}) == {"m": {"GPU-0000": 5000}}
    assert measure(nvml, {pid: None}) == {"m": None}


def test_engine_that_has_not_begun_holds_nothing(nvml):
    a_run_on(0, state=RunState.STARTING)
    assert measure(nvml, {}) == {"m": {"GPU-0000": 0}}


def test_run_on_a_lost_gpu_is_not_measured(nvml):
    a_run_on(0, state=RunState.STARTING)
    measure(nvml, {})
    fake.set_gpus(fake.a_gpu(0, result=15))
    inventory.write(nvml.read())
    assert Run.objects.get().gpu_used is None


def test_runs_without_gpus_and_runs_that_ended_are_left_alone(nvml):
    a_run_on()
    a_run(a_wanted_model("old"), RunState.ENDED, node=here(), gpu_uuids=["GPU-0000"])
    assert measure(nvml, {}) == {"m": None, "old": None}


@pytest.mark.parametrize("count", [1, 5])
def test_rows_that_changed_are_written_in_one_query(
    nvml, count, django_assert_num_queries
):
    for n in range(count):
        a_run_on(0, name=f"m{n}", state=RunState.STARTING)
    fake.set_gpus(fake.a_gpu(0))
    inventory.write(nvml.read())
    Run.objects.update(gpu_used=None)
    seen = nvml.read()
    with django_assert_num_queries(11):
        inventory.write(seen)
    with django_assert_num_queries(10):
        inventory.write(seen)
