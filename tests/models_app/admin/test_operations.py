import pytest
from django.test import Client

from models_app.enums import RunState
from models_app.models import Activity
from tests.builders import a_model, a_run, a_wanted_model
from tests.models_app.people import a_person, client_as

pytestmark = pytest.mark.django_db

LIST = "/admin/models_app/servedmodel/"


def now(model, operation):
    return f"{LIST}{model.pk}/{operation}/now/"


def messages_of(answer) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


@pytest.fixture
def operator():
    return client_as("operator")


def running_model():
    model = a_wanted_model(status="running")
    a_run(model, RunState.READY)
    return model


@pytest.mark.parametrize(
    ("operation", "desired"),
    [("stop", "stopped"), ("restart", "running")],
)
def test_operation_on_a_running_model_calls_its_verb(operator, operation, desired):
    model = running_model()
    answer = operator.post(now(model, operation), follow=True)
    model.refresh_from_db()
    assert model.desired_state == desired
    assert model.generation == (2 if operation == "restart" else 1)
    assert messages_of(answer) == [f"A {operation} of smol was requested."]


def test_operation_is_recorded_with_its_actor(operator):
    operator.post(now(a_model(), "start"))
    event = Activity.objects.get(code="start_requested")
    assert (event.actor_name, event.model_name) == ("operator", "smol")


@pytest.mark.parametrize("operation", ["start", "stop", "restart"])
def test_get_changes_nothing(operator, operation):
    model = a_model()
    assert operator.get(now(model, operation)).status_code == 405
    assert not Activity.objects.exists()


def test_post_without_csrf_token_changes_nothing():
    model = a_model()
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_person("operator"))
    assert client.post(now(model, "start")).status_code == 403
    model.refresh_from_db()
    assert model.desired_state == "stopped"


def test_operation_that_the_status_forbids_is_explained(operator):
    answer = operator.post(now(running_model(), "start"), follow=True)
    assert messages_of(answer) == [
        (
            "Model smol is in the status “Running”, which does not allow"
            " “Start”. Allowed operations: Stop, Restart."
        )
    ]


@pytest.mark.parametrize("operation", ["delete", "rename", "explode"])
def test_unknown_operation_is_not_found(operator, operation):
    assert operator.post(now(a_model(), operation)).status_code == 404


def test_operation_on_an_unknown_model_is_not_found(operator):
    assert operator.post(f"{LIST}4711/start/now/").status_code == 404


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("http://testserver/admin/models_app/servedmodel/?q=x", None),
        ("https://elsewhere.example/admin/", "change"),
        ("javascript:alert(1)", "change"),
        ("", "change"),
    ],
)
def test_operation_redirects_to_the_page_it_came_from(operator, referer, back):
    model = a_model()
    answer = operator.post(now(model, "start"), headers={"referer": referer})
    assert answer.url == (f"{LIST}{model.pk}/change/" if back else referer)


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        ("stopped", ["start"]),
        ("starting", ["stop"]),
        ("running", ["stop", "restart"]),
        ("stopping", []),
        ("error", ["start", "stop", "restart"]),
        ("waiting", ["stop"]),
    ],
)
def test_buttons_are_those_that_the_status_allows(operator, status, buttons):
    desired = "stopped" if status == "stopped" else "running"
    model = a_model(status=status, desired_state=desired)
    expected = {op for op in ("start", "stop", "restart") if op in buttons}
    for url in (LIST, f"{LIST}{model.pk}/change/"):
        page = operator.get(url).content.decode()
        shown = {op for op in ("start", "stop", "restart") if now(model, op) in page}
        assert shown == expected


def test_bulk_operation_reports_each_model(operator):
    stopped, wanted = a_model("one"), a_wanted_model("two")
    chosen = {
        "action": "start_selected",
        "_selected_action": [stopped.pk, wanted.pk],
    }
    answer = operator.post(LIST, chosen, follow=True)
    stopped.refresh_from_db()
    assert stopped.desired_state == "running"
    assert messages_of(answer) == [
        "A start of one was requested.",
        (
            "Model two is in the status “Starting”, which does not allow"
            " “Start”. Allowed operations: Stop."
        ),
    ]


def test_bulk_operation_needs_the_permission():
    model = a_model()
    chosen = {"action": "start_selected", "_selected_action": [model.pk]}
    client_as("viewer").post(LIST, chosen)
    model.refresh_from_db()
    assert model.desired_state == "stopped"
