"""A new reason is one row: its message, advice, retry policy and fault apply everywhere
from the end of a run to the API."""

import pytest

from common import clock, messages
from common.enums import Fault, Retry
from common.messages import Reason, register
from models_app.enums import RunState
from models_app.models import Run
from models_app.runs import end
from scheduling.apply import apply_plan
from scheduling.planner.types import Plan, Stop
from scheduling.snapshot import load
from scheduling.tasks import tick
from tests.api import operator
from tests.builders import a_node, a_run, a_wanted_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def flooded():
    def add(**fields):
        row = Reason("flooded", "%(room)s is flooded.", advice="Call us.", **fields)
        register([row])

    yield add
    del messages.registry["flooded"]


@pytest.fixture
def model():
    a_node()
    return a_wanted_model(cpu_cores=1)


@pytest.mark.parametrize(
    ("retry", "code", "seconds"),
    [
        (Retry.NEVER, "not_retried", None),
        (Retry.BACKOFF, "retrying", 10),
    ],
)
def test_failure_is_explained_and_not_retried_yet(flooded, model, retry, code, seconds):
    flooded(retry=retry)
    end(a_run(model, RunState.READY), "flooded", {"room": "The cellar"})
    tick()
    reason = operator().get("/api/models/smol/status").json()["reason"]
    assert (reason["code"], reason["advice"]) == (code, "Call us.")
    assert reason["params"].get("seconds") == seconds
    assert reason["message"].startswith("The cellar is flooded.")
    assert not Run.objects.live().exists()


@pytest.mark.parametrize(
    ("retry", "status"),
    [
        (Retry.AT_ONCE, "error"),
        (Retry.INTERRUPTED, "error"),
        (Retry.EVICTED, "waiting"),
        (Retry.REQUESTED, "starting"),
    ],
)
def test_retryable_run_starts_again(flooded, model, retry, status):
    flooded(retry=retry)
    end(a_run(model, RunState.READY), "flooded", {"room": "The cellar"})
    shown = operator().get("/api/models/smol/status").json()
    assert shown["status"] == status
    tick()
    assert Run.objects.live().count() == 1


@pytest.mark.parametrize(
    ("fault", "drain_s"), [(Fault.MACHINE, 0), (Fault.NOBODY, 120)]
)
def test_run_is_not_drained_if_the_machine_is_at_fault(
    flooded, model, settings, fault, drain_s
):
    settings.DRAIN_SECONDS = 120
    flooded(fault=fault)
    run = a_run(model, RunState.READY)
    stop = Stop(run_uid=run.uid, code="flooded", params={"room": "The cellar"})
    started = clock.uptime()
    apply_plan(Plan(stops=(stop,), placements=(), reasons={}), load())
    run.refresh_from_db()
    assert (run.state, run.stop_code) == (RunState.DRAINING, "flooded")
    assert run.deadline - started == pytest.approx(drain_s, abs=30)
