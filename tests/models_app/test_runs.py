import pytest

from models_app import runs
from models_app.enums import RunState, Status
from models_app.models import Activity, Run
from tests.builders import a_run, a_wanted_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def model():
    return a_wanted_model()


def test_move_is_won_once(model):
    run = a_run(model, RunState.SCHEDULED)
    rival = Run.objects.get(pk=run.pk)
    assert runs.move(run, RunState.STARTING)
    assert not runs.move(rival, RunState.STARTING)


@pytest.mark.parametrize(
    ("old", "new"),
    [("scheduled", "ready"), ("ended", "starting"), ("draining", "ready")],
)
def test_move_refuses_what_the_table_does_not_have(model, old, new):
    run = a_run(model, RunState(old))
    assert not runs.move(run, RunState(new))
    run.refresh_from_db()
    assert run.state == old


def test_mark_ready_makes_the_model_run(model):
    run = a_run(model, RunState.STARTING, handle={"pid": 1})
    assert runs.mark_ready(run)
    model.refresh_from_db()
    assert model.status == Status.RUNNING
    assert Activity.objects.filter(code="run_ready", run=run).count() == 1


@pytest.mark.parametrize(
    ("stop_code", "end_code", "status"),
    [
        ("", "crashed", Status.ERROR),
        ("", "out_of_memory", Status.ERROR),
        ("restarted", "killed", Status.STARTING),
        ("preempted", "killed", Status.WAITING),
        ("start_timeout", "killed", Status.ERROR),
    ],
)
def test_end_records_the_reason(model, stop_code, end_code, status):
    run = a_run(model, RunState.READY, stop_code=stop_code)
    assert runs.end(run, end_code, exit_code=1, log_tail="boom\0")
    run.refresh_from_db()
    model.refresh_from_db()
    assert run.end_code == (stop_code or end_code)
    assert (run.exit_code, run.log_tail) == (1, "boom")
    assert model.status == status


def test_end_happens_once(model):
    run = a_run(model, RunState.READY)
    late = Run.objects.get(pk=run.pk)
    assert runs.end(run, "crashed")
    assert not runs.end(late, "killed")
    run.refresh_from_db()
    assert run.end_code == "crashed"
    assert Activity.objects.filter(code="run_ended").count() == 1


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        (RunState.SCHEDULED, RunState.ENDED),
        (RunState.STARTING, RunState.TERMINATING),
        (RunState.READY, RunState.DRAINING),
    ],
)
def test_ask_to_stop_takes_the_first_step(model, state, becomes):
    run = a_run(model, state)
    assert runs.request_run_stop(run, "stopped", {}, drain_s=30)
    run.refresh_from_db()
    assert run.state == becomes


def test_ask_to_stop_twice_keeps_the_first_reason(model):
    run = a_run(model, RunState.READY)
    runs.request_run_stop(run, "restarted", {}, drain_s=30)
    assert not runs.request_run_stop(run, "stopped", {}, drain_s=30)
    run.refresh_from_db()
    assert run.stop_code == "restarted"
