import pytest

from common.exceptions import Conflict
from models_app import lifecycle
from models_app.enums import ALLOWED, Operation, RunState, Status
from models_app.lifecycle import Blocked, derive
from models_app.models import Activity, ServedModel
from tests.builders import a_model, a_run, a_user, a_wanted_model

pytestmark = pytest.mark.django_db

WAITING = Blocked(status=Status.WAITING, code="insufficient_cpu")
ERROR = Blocked(status=Status.ERROR, code="crashed")

VERBS = {
    Operation.START: lifecycle.request_start,
    Operation.STOP: lifecycle.request_stop,
    Operation.RESTART: lifecycle.request_restart,
}


def a_model_that_is(status: Status) -> ServedModel:
    wanted = "stopped" if status in (Status.STOPPED, Status.STOPPING) else "running"
    return a_model(status=status, desired_state=wanted)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("operation", list(VERBS))
def test_request_follows_the_table_of_allowed_operations(status, operation):
    model = a_model_that_is(status)
    if operation in ALLOWED[status]:
        VERBS[operation](model)
        assert Activity.objects.filter(code=f"{operation}_requested").count() == 1
    else:
        with pytest.raises(Conflict) as refused:
            VERBS[operation](model)
        assert refused.value.params["status"] == status
        assert refused.value.params["allowed"] == [str(o) for o in ALLOWED[status]]
        assert Activity.objects.count() == 0


@pytest.mark.parametrize(
    ("status", "verb", "wanted", "becomes"),
    [
        ("stopped", "start", "running", "starting"),
        ("error", "start", "running", "starting"),
        ("error", "restart", "running", "starting"),
        ("waiting", "stop", "stopped", "stopped"),
        ("error", "stop", "stopped", "stopped"),
        ("starting", "stop", "stopped", "stopped"),
    ],
)
def test_request_without_runs_changes_the_status(status, verb, wanted, becomes):
    model = VERBS[Operation(verb)](a_model_that_is(Status(status)))
    assert (model.desired_state, model.status) == (wanted, becomes)


@pytest.mark.parametrize(("verb"), ["stop", "restart"])
def test_request_with_a_live_run_is_stopping_first(verb):
    model = a_wanted_model(status=Status.RUNNING)
    a_run(model, RunState.READY)
    assert VERBS[Operation(verb)](model).status == Status.STOPPING


def test_start_asks_for_a_new_generation():
    model = a_model()
    lifecycle.request_start(model)
    assert model.generation == 1


def test_request_on_an_outdated_row_conflicts_and_changes_nothing():
    model = a_model()
    outdated = ServedModel.objects.get(pk=model.pk)
    lifecycle.request_start(model)
    with pytest.raises(Conflict) as refused:
        lifecycle.request_start(outdated)
    assert refused.value.code == "conflict"
    model.refresh_from_db()
    assert model.generation == 1


def test_request_looks_again_when_only_the_status_moved_on():
    model = a_wanted_model(status=Status.STARTING)
    a_run(model, RunState.READY)
    ServedModel.objects.update(status=Status.RUNNING)
    lifecycle.request_stop(model)
    assert (model.desired_state, model.status) == ("stopped", "stopping")
    assert Activity.objects.filter(code="stop_requested").count() == 1


def test_request_on_a_deleted_model_conflicts():
    model = a_model()
    ServedModel.objects.filter(pk=model.pk).delete()
    with pytest.raises(Conflict) as refused:
        lifecycle.request_start(model)
    assert refused.value.code == "conflict"


def test_request_of_many_returns_the_refused_ones():
    stopped, error, running = a_model("a"), a_model("b"), a_wanted_model("c")
    outdated = a_model("d")
    for model in ServedModel.objects.filter(name__in=("b", "d")):
        lifecycle.request_start(model)
    ServedModel.objects.filter(pk=error.pk).update(status=Status.ERROR)
    error.refresh_from_db()
    Activity.objects.all().delete()
    models = [stopped, error, running, outdated]
    refused = lifecycle.request_all(models, Operation.START)
    assert {pk: conflict.code for pk, conflict in refused.items()} == {
        running.pk: "operation_not_allowed",
        outdated.pk: "conflict",
    }
    rows = ServedModel.objects.order_by("name").values_list("status", "generation")
    assert list(rows) == [(Status.STARTING, n) for n in (1, 2, 1, 1)]
    events = Activity.objects.order_by("pk").values_list("code", "model_name")
    assert list(events) == [
        (code, name) for name in "ab" for code in ("start_requested", "status_changed")
    ]


def test_restart_of_many_goes_by_the_runs_of_each():
    serving = a_wanted_model("serving", status=Status.RUNNING)
    a_run(serving, RunState.READY)
    failed = a_wanted_model("failed", status=Status.ERROR)
    assert lifecycle.request_all([serving, failed], Operation.RESTART) == {}
    statuses = dict(ServedModel.objects.values_list("name", "status"))
    assert statuses == {"serving": Status.STOPPING, "failed": Status.STARTING}


def test_activity_names_who_and_what():
    user = a_user(name="ada")
    lifecycle.request_start(a_model(), user)
    activity = Activity.objects.get(code="start_requested")
    assert (activity.actor, activity.actor_name, activity.model_name) == (
        user,
        "ada",
        "smol",
    )
    changed = Activity.objects.get(code="status_changed")
    assert changed.params == {"old": "stopped", "new": "starting"}


def test_settle_keeps_a_reason_until_the_status_moves_on():
    model = a_wanted_model()
    why = Blocked(status=Status.WAITING, code="insufficient_cpu", params={"free": 0})
    lifecycle.reconcile_status(model.pk, why)
    lifecycle.reconcile_status(model.pk, why)
    model.refresh_from_db()
    assert (model.status, model.reason_code) == ("waiting", "insufficient_cpu")
    assert Activity.objects.filter(code="status_changed").count() == 1
    a_run(model, RunState.READY)
    lifecycle.reconcile_status(model.pk)
    model.refresh_from_db()
    assert (model.status, model.reason_code) == ("running", "")


def test_settle_of_a_deleted_model_is_nothing():
    lifecycle.reconcile_status(12345)
    assert Activity.objects.count() == 0


@pytest.mark.parametrize(
    ("desired", "live", "blocked", "status"),
    [
        ("stopped", [], None, "stopped"),
        ("stopped", [], ERROR, "stopped"),
        ("stopped", [("ready", 2)], None, "stopping"),
        ("stopped", [("killing", 1)], None, "stopping"),
        ("running", [], None, "starting"),
        ("running", [], WAITING, "waiting"),
        ("running", [], ERROR, "error"),
        ("running", [("scheduled", 2)], None, "starting"),
        ("running", [("starting", 2)], WAITING, "starting"),
        ("running", [("ready", 2)], None, "running"),
        ("running", [("ready", 2), ("starting", 2)], ERROR, "running"),
        ("running", [("draining", 2)], None, "stopping"),
        ("running", [("ready", 1)], None, "stopping"),  # restarted: an older one
        ("running", [("ready", 1), ("scheduled", 2)], None, "starting"),
    ],
)
def test_derive(desired, live, blocked, status):
    assert derive(desired, 2, live, blocked) == status
