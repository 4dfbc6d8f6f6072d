import pytest

from models_app.enums import RunState
from models_app.models import Activity
from tests.builders import a_model, a_run, a_wanted_model
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

LIST = "/admin/models_app/servedmodel/"
CONFIG = {"model_path": "/models/smol.gguf"}


@pytest.fixture
def viewer():
    return client_as("viewer")


def panel(client, model) -> str:
    answer = client.get(f"{LIST}{model.pk}/live/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_panel_is_part_of_the_page(viewer):
    model = a_model()
    page = viewer.get(f"{LIST}{model.pk}/change/").content.decode()
    assert f'data-live-url="{LIST}{model.pk}/live/"' in page
    assert 'data-live="log"' in page


def test_panel_of_an_unknown_model_is_not_found(viewer):
    assert viewer.get(f"{LIST}4711/live/").status_code == 404


def test_page_to_add_has_no_panel():
    page = client_as("operator").get(f"{LIST}add/").content.decode()
    assert "data-live" not in page


def test_panel_shows_live_runs_with_their_process(viewer):
    model = a_wanted_model(status="running")
    a_run(model, RunState.READY, node="gpu-01", handle={"pid": 4242})
    shown = panel(viewer, model)
    assert "Replica 0 on gpu-01" in shown
    assert "pid 4242" in shown


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ({"exit_code": 3}, "The engine exited unexpectedly. Exit code 3."),
        ({"exit_signal": 9}, "The engine exited unexpectedly. Signal 9."),
        ({"exit_code": 0, "end_code": "stopped"}, "Stopped on request. Exit code 0."),
    ],
)
def test_panel_shows_how_runs_ended(viewer, ending, text):
    model = a_model()
    a_run(model, RunState.ENDED, **ending)
    assert text in panel(viewer, model)


def test_panel_shows_the_log_of_the_live_run(viewer):
    model = a_wanted_model()
    a_run(model, RunState.STARTING, log_tail="of the live one")
    a_run(model, RunState.ENDED, log_tail="of the dead one")
    shown = panel(viewer, model)
    assert "of the live one" in shown
    assert "of the dead one" not in shown


def test_panel_shows_the_last_200_lines_of_the_log(viewer):
    model = a_model()
    lines = "\n".join(f"line {number}" for number in range(1, 301))
    a_run(model, RunState.ENDED, log_tail=lines)
    shown = panel(viewer, model)
    assert "line 101\n" in shown
    assert "line 100\n" not in shown


@pytest.mark.parametrize(
    ("started_with", "generation", "hint"),
    [
        (CONFIG, 1, False),
        ({**CONFIG, "n_ctx": 1}, 1, True),
        ({**CONFIG, "n_ctx": 1}, 0, False),  # about to be replaced anyway
    ],
)
def test_panel_shows_when_a_restart_is_needed(viewer, started_with, generation, hint):
    model = a_wanted_model(config=CONFIG)
    a_run(model, RunState.READY, config=started_with, generation=generation)
    assert ("Restart to apply" in panel(viewer, model)) is hint


def test_panel_shows_who_did_what(viewer):
    model = a_model()
    Activity.objects.create(
        model=model, model_name="smol", code="stop_requested", actor_name="ann"
    )
    shown = panel(viewer, model)
    assert "A stop of smol was requested." in shown
    assert ">ann<" in shown


@pytest.mark.parametrize("runs", [1, 3])
def test_panel_takes_the_same_queries_for_any_number(
    viewer, runs, django_assert_num_queries
):
    model = a_wanted_model(replicas=3)
    for replica in range(runs):
        a_run(model, RunState.READY, replica=replica)
        a_run(model, RunState.ENDED)
    with django_assert_num_queries(8):
        panel(viewer, model)
