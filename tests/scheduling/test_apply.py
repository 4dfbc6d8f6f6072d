import dataclasses
import socket

import pytest

from common import clock
from models_app.enums import RunState
from models_app.models import Activity, Run
from runtimes.models import Gpu, Node
from scheduling.apply import StalePlan, apply_plan, place
from scheduling.models import Allocation
from scheduling.planner.types import Placement, Plan, Reason, Stop
from scheduling.snapshot import load
from tests.builders import a_node, a_run, a_wanted_model

pytestmark = pytest.mark.django_db


def a_placement(model, **fields):
    defaults = {
        "model_id": model.pk,
        "generation": model.generation,
        "replica": 0,
        "node": "here",
        "cpu_cores": 2,
        "memory_mib": 100,
    }
    return Placement(**{**defaults, **fields})


def a_plan(**fields):
    return Plan(**{"stops": (), "placements": (), "reasons": {}, **fields})


def test_place_books_what_was_planned():
    node = a_node(gpus=[24000, 24000])
    model = a_wanted_model()
    uuids = tuple(Gpu.objects.values_list("uuid", flat=True))
    gpus = tuple((uuid, 9000) for uuid in uuids)
    run = place(a_placement(model, gpus=gpus, gpu_room_mib=9500), node.version)
    assert (run.state, run.cpu_cores, run.memory_mib) == ("scheduled", 2, 100)
    assert run.gpu_room_mib == 9500
    assert run.gpu_uuids == list(uuids)
    held = Allocation.objects.values_list("gpu__uuid", "mib")
    assert sorted(held) == sorted(gpus)
    node.refresh_from_db()
    assert node.version == 1


def test_place_on_a_changed_machine_is_stale_and_leaves_nothing():
    node = a_node()
    model = a_wanted_model()
    Node.objects.update(version=7)
    with pytest.raises(StalePlan):
        place(a_placement(model), node.version)
    assert (Run.objects.count(), Activity.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "meanwhile", [{"desired_state": "stopped", "status": "stopped"}, {"generation": 2}]
)
def test_place_of_a_changed_or_stopped_model_is_stale(meanwhile):
    node = a_node()
    model = a_wanted_model()
    placement = a_placement(model)
    type(model).objects.update(**meanwhile)
    with pytest.raises(StalePlan):
        place(placement, node.version)
    node.refresh_from_db()
    assert (Run.objects.count(), node.version) == (0, 0)


def test_two_plans_of_one_snapshot_never_book_twice():
    a_node()
    one, two = a_wanted_model("one"), a_wanted_model("two")
    snapshot = load()
    apply_plan(a_plan(placements=(a_placement(one),)), snapshot)
    apply_plan(a_plan(placements=(a_placement(two),)), snapshot)
    assert [run.model.name for run in Run.objects.all()] == ["one"]


@pytest.mark.parametrize(("driver", "ports"), [("process", 0), ("docker", 3)])
def test_apply_starts_several_models_on_one_machine(driver, ports):
    a_node()
    models = [a_wanted_model(name, driver=driver) for name in ("one", "two", "three")]
    apply_plan(a_plan(placements=tuple(map(a_placement, models))), load())
    assert Run.objects.count() == 3
    given = Run.objects.filter(port__isnull=False).values_list("port", flat=True)
    assert len(set(given)) == ports


def test_model_without_a_free_port_waits_and_others_start(settings):
    settings.ENGINE_PORTS = range(21000, 21001)
    a_node("full")
    a_node("here")
    a_run(a_wanted_model("holder"), RunState.READY, node="full", port=21000)
    left_out, placed, waiting = (a_wanted_model(n, driver="docker") for n in "abc")
    placements = (a_placement(left_out, node="full"), a_placement(placed))
    why = Reason(status="waiting", code="no_node")
    apply_plan(a_plan(placements=placements, reasons={waiting.pk: why}), load())
    assert placed.runs.get().port == 21000
    left_out.refresh_from_db()
    waiting.refresh_from_db()
    assert (left_out.status, waiting.reason_code) == ("waiting", "no_node")
    ports = {"node": "full", "first": 21000, "last": 21000}
    assert (left_out.reason_code, left_out.reason_params) == ("no_free_port", ports)
    assert Node.objects.get(name="full").version == 0


def test_port_of_another_program_is_not_given_out(settings):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        settings.ENGINE_PORTS = range(port, port + 1)
        a_node(settings.NODE_NAME)
        model = a_wanted_model(driver="docker")
        placement = a_placement(model, node=settings.NODE_NAME)
        apply_plan(a_plan(placements=(placement,)), load())
    model.refresh_from_db()
    assert (model.status, model.reason_code) == ("waiting", "no_free_port")
    assert not model.runs.exists()


def test_apply_stops_runs_and_stores_reasons():
    a_node()
    running, waiting = a_wanted_model("one"), a_wanted_model("two")
    run = a_run(running, RunState.READY)
    why = Reason(status="waiting", code="insufficient_cpu", params={"free": 0})
    stop = Stop(run_uid=run.uid, code="restarted")
    apply_plan(a_plan(stops=(stop,), reasons={waiting.pk: why}), load())
    run.refresh_from_db()
    waiting.refresh_from_db()
    assert (run.state, run.stop_code) == ("draining", "restarted")
    assert waiting.reason["code"] == "insufficient_cpu"
    assert waiting.status == "waiting"


@pytest.mark.parametrize(
    ("code", "at_once"),
    [("gpu_lost", True), ("gpu_unhealthy", True), ("gpu_drained", False)],
)
def test_apply_does_not_drain_runs_on_a_failed_gpu(code, at_once):
    a_node()
    run = a_run(a_wanted_model(), RunState.READY)
    apply_plan(a_plan(stops=(Stop(run_uid=run.uid, code=code),)), load())
    run.refresh_from_db()
    assert (run.deadline <= clock.uptime()) is at_once


def test_applying_a_plan_twice_changes_nothing():
    a_node()
    model = a_wanted_model()
    decided = a_plan(placements=(a_placement(model),))
    apply_plan(decided, load())
    apply_plan(decided, dataclasses.replace(load()))
    assert Run.objects.count() == 1
