import pytest

from models_app import lifecycle, runs
from models_app.enums import ALLOWED, Operation, RunState, Status
from models_app.models import ServedModel
from tests.api import client_of, operator
from tests.builders import a_model, a_run, a_user, a_wanted_model

pytestmark = pytest.mark.django_db

VERBS = (Operation.START, Operation.STOP, Operation.RESTART)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("verb", VERBS)
def test_operation_is_accepted_as_the_table_says(status, verb):
    stopped = status in (Status.STOPPED, Status.STOPPING)
    a_model(status=status, desired_state="stopped" if stopped else "running")
    answer = operator().post(f"/api/models/smol/{verb}")
    body = answer.json()
    if verb in ALLOWED[status]:
        wanted = "stopped" if verb == "stop" else "running"
        assert (answer.status_code, body["desired_state"]) == (202, wanted)
        assert body["name"] == "smol"
    else:
        assert (answer.status_code, body["code"]) == (409, "operation_not_allowed")
        assert body["status"] == status
        assert body["allowed"] == [str(allowed) for allowed in ALLOWED[status]]


def test_operation_records_the_actor():
    model = a_model()
    operator().post("/api/models/smol/start/")
    activity = model.activity.get(code="start_requested")
    assert activity.actor_name == "operator"


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_operation_is_a_post(method):
    a_model()
    answer = getattr(operator(), method)("/api/models/smol/start")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert ServedModel.objects.get().status == "stopped"


def test_status_of_a_model_without_runs():
    model = a_model()
    assert operator().get("/api/models/smol/status").json() == {
        "id": model.pk,
        "name": "smol",
        "status": "stopped",
        "desired_state": "stopped",
        "reason": None,
        "allowed_operations": ["start", "rename", "delete"],
        "restart_required": False,
        "changed_fields": [],
        "replicas": 1,
        "ready_replicas": 0,
        "runs": [],
    }


def test_status_shows_live_runs_without_their_secrets():
    model = a_wanted_model(status=Status.RUNNING, replicas=2)
    a_run(model, RunState.ENDED)
    ready = a_run(model, RunState.READY, gpu_uuids=["GPU-1"])
    a_run(model, RunState.STARTING, replica=1)
    answer = operator().get("/api/models/smol/status")
    body = answer.json()
    assert (body["replicas"], body["ready_replicas"]) == (2, 1)
    assert [run["state"] for run in body["runs"]] == ["ready", "starting"]
    assert body["runs"][0].items() >= {"uid": ready.uid, "gpu_uuids": ["GPU-1"]}.items()
    assert ready.engine_key not in answer.content.decode()


def test_status_shows_the_reason_in_the_readers_language():
    a_wanted_model(
        status=Status.WAITING,
        reason_code="insufficient_cpu",
        reason_params={"needed": 8, "node": "here", "free": 1, "total": 4},
    )
    assert operator().get("/api/models/smol/status").json()["reason"] == {
        "code": "insufficient_cpu",
        "params": {"needed": 8, "node": "here", "free": 1, "total": 4},
        "message": "Needs 8 CPU cores; 1 of 4 are free on here.",
        "advice": "",
    }


def test_activity_is_newest_first_with_who_and_why():
    user = a_user("operator")
    model = lifecycle.request_start(a_model(), user)
    run = a_run(model, RunState.READY)
    runs.end(run, "crashed")
    client = client_of(user)
    page = client.get("/api/models/smol/activity?page_size=10").json()
    events = page["results"]
    assert page["count"] == len(events) == 4
    assert [event["code"] for event in events] == [
        "status_changed", "run_ended", "status_changed", "start_requested"
    ]  # fmt: skip
    assert events[3].items() >= {"actor": "operator", "reason": None}.items()
    assert events[3]["message"] == "A start of smol was requested."
    assert (events[1]["actor"], events[1]["run"]) == (None, run.uid)
    assert events[1]["reason"]["code"] == "crashed"
    assert events[0]["id"] > events[3]["id"]
