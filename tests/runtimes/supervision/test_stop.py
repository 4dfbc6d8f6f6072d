import pytest

from common import clock
from common.models import new_uid
from models_app.enums import RunState
from runtimes.drivers.base import DriverError
from runtimes.frameworks.base import Command
from runtimes.registry import driver
from runtimes.supervision import stop
from tests.builders import a_run, a_wanted_model

pytestmark = pytest.mark.django_db

NOW = 5000.0
GONE = {"pid": 1, "started": 1, "boot_id": "another", "engine_pid": 1}


def a_stopping_run(state, **fields):
    uid = new_uid()
    handle = {**GONE, "uid": uid} if fields.pop("handled", True) else None
    return a_run(
        a_wanted_model(), state, uid=uid, handle=handle, stop_code="stopped", **fields
    )


@pytest.mark.parametrize(
    ("state", "fields", "becomes"),
    [
        ("draining", {"deadline": NOW + 9}, "draining"),
        ("draining", {"deadline": NOW + 9, "idle_since": NOW - 0.1}, "draining"),
        ("draining", {"deadline": NOW + 9, "idle_since": NOW - 1}, "terminating"),
        ("draining", {"deadline": NOW}, "terminating"),
        ("terminating", {"deadline": NOW + 9}, "ended"),
        ("killing", {"deadline": NOW + 9}, "ended"),
        ("ready", {}, "ready"),
    ],
)
def test_advance_takes_the_step_that_is_due(state, fields, becomes):
    run = a_stopping_run(RunState(state), **fields)
    stop.advance(run, NOW)
    run.refresh_from_db()
    assert run.state == becomes


def test_advance_gives_a_terminated_engine_time():
    run = a_stopping_run(RunState.DRAINING, deadline=NOW)
    stop.advance(run, NOW)
    assert run.deadline == NOW + 10


def test_advance_makes_sure_that_what_was_never_started_never_is():
    run = a_stopping_run(RunState.TERMINATING, deadline=NOW, handled=False)
    stop.advance(run, NOW)
    run.refresh_from_db()
    assert (run.state, run.end_code) == ("ended", "stopped")
    command = Command(argv=("true",), env={}, stdin="")
    with pytest.raises(DriverError) as refused:
        driver("process").start(run.uid, command)
    assert refused.value.code == "abandoned"


def test_advance_stops_what_never_got_ready():
    run = a_stopping_run(RunState.STARTING, deadline=NOW)
    run.stop_code = ""
    stop.advance(run, NOW)
    run.refresh_from_db()
    assert (run.state, run.stop_code) == ("terminating", "start_timeout")


def test_advance_sends_a_lost_launch_again_later():
    run = a_stopping_run(RunState.SCHEDULED, deadline=NOW, handled=False)
    stop.advance(run, NOW)
    run.refresh_from_db()
    assert run.state == "scheduled"
    assert run.deadline > clock.uptime()
