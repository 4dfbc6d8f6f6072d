"""Runs, activity and the first page: all to read only."""

import pytest

from models_app.enums import RunState
from models_app.models import Activity
from tests.builders import a_model, a_run, a_wanted_model
from tests.models_app.people import client_as, page_of

pytestmark = pytest.mark.django_db

RUNS = "/admin/models_app/run/"
EVENTS = "/admin/models_app/activity/"


@pytest.fixture
def viewer():
    return client_as("viewer")


@pytest.fixture
def superuser():
    return client_as("superuser")


def test_run_page_shows_config_reason_and_log(viewer):
    run = a_run(
        a_model(), RunState.ENDED, config={"model_path": "/models/a.gguf"},
        end_code="out_of_memory", exit_code=1, log_tail="last words",
    )  # fmt: skip
    page = page_of(viewer, f"{RUNS}{run.pk}/change/")
    for text in ("/models/a.gguf", "The engine ran out of memory.", "last words"):
        assert text in page


def test_columns_of_runs_have_labels_in_the_readers_language(viewer):
    a_run(a_model())
    page = page_of(viewer, RUNS, accept_language="zh-CN")
    assert "模型" in page.partition("<thead")[2].partition("</thead>")[0]


def test_run_pages_never_show_key_or_handle(superuser):
    run = a_run(a_wanted_model(), RunState.READY, handle={"secret": "the-handle"})
    for url in (RUNS, f"{RUNS}{run.pk}/change/"):
        page = page_of(superuser, url)
        assert run.engine_key not in page
        assert "the-handle" not in page


@pytest.mark.parametrize("url", [RUNS, EVENTS])
@pytest.mark.parametrize("rows", [1, 3])
def test_long_lists_take_few_queries_and_count_nothing(
    viewer, url, rows, django_assert_num_queries
):
    for number in range(rows):
        model = a_wanted_model(f"m{number}")
        run = a_run(model, RunState.READY)
        Activity.objects.create(model=model, run=run, model_name="m", code="run_ready")
    page_of(viewer, url)
    with django_assert_num_queries(6) as captured:
        page_of(viewer, url)
    assert not any("COUNT(" in query["sql"] for query in captured)


def test_activity_is_shown_in_the_readers_language(viewer):
    change = {"old": "starting", "new": "running"}
    Activity.objects.create(model_name="smol", code="status_changed", params=change)
    assert "smol: Starting → Running." in page_of(viewer, EVENTS)
    assert "smol：启动中 → 运行中。" in page_of(viewer, EVENTS, accept_language="zh-CN")


def test_activity_of_one_model_is_a_link_from_its_page(viewer):
    model = a_model()
    link = f"{EVENTS}?model__id__exact={model.pk}"
    assert link in page_of(viewer, f"/admin/models_app/servedmodel/{model.pk}/change/")
    Activity.objects.create(model=model, model_name="mine", code="run_ended")
    Activity.objects.create(model_name="other", code="run_ended")
    rows = viewer.get(link).context["cl"].result_list
    assert [event.model_name for event in rows] == ["mine"]


def test_nobody_changes_history(superuser):
    event = Activity.objects.create(code="run_ended", model_name="smol")
    superuser.post(f"{EVENTS}{event.pk}/change/", {"model_name": "other"})
    superuser.post(f"{EVENTS}{event.pk}/delete/", {"post": "yes"})
    event.refresh_from_db()
    assert event.model_name == "smol"


def test_dashboard_counts_models_by_status(viewer):
    a_model("one")
    a_model("two")
    a_wanted_model("three", status="running")
    tiles = viewer.get("/admin/").context["tiles"]
    assert {str(tile.status): tile.count for tile in tiles} == {
        "running": 1, "starting": 0, "waiting": 0, "error": 0, "stopping": 0,
        "stopped": 2,
    }  # fmt: skip
    for tile in tiles:
        rows = viewer.get(tile.url).context["cl"].result_list
        assert len(rows) == tile.count


def test_dashboard_shows_recent_activity(viewer):
    for number in range(20):
        Activity.objects.create(code="run_ended", model_name=f"m{number:02}")
    page = page_of(viewer, "/admin/")
    assert "The engine of m05 ended." in page
    assert "The engine of m04 ended." not in page


def test_dashboard_shows_outsiders_nothing():
    a_model()
    Activity.objects.create(code="run_ended", model_name="smol")
    answer = client_as("outsider").get("/admin/")
    assert answer.context["tiles"] == []
    assert "smol" not in answer.content.decode()


@pytest.mark.parametrize("url", ["/", "/admin"])
def test_home_leads_to_the_admin(client, url):
    assert client.get(url).url == "/admin/"


def test_reader_chooses_the_language(viewer):
    viewer.post("/i18n/setlang/", {"language": "zh-hans", "next": "/admin/"})
    assert "仪表板" in page_of(viewer, "/admin/")


def test_inner_tables_of_packages_are_not_shown(superuser):
    labels = {
        model["object_name"]
        for app in superuser.get("/admin/").context["available_apps"]
        for model in app["models"]
    }
    ours = {"ServedModel", "Run", "Activity", "ApiToken", "Node", "Gpu", "Decision"}
    ours |= {"Alert", "AlertRule", "NotificationChannel", "Delivery", "Limit"}
    ours.add("ModelAlias")
    assert labels == {*ours, "User", "Group"}
