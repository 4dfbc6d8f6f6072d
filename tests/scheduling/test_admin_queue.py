import re

import pytest
from django.test import Client

from models_app.enums import RunState
from models_app.models import Activity, Run
from scheduling.models import Allocation, Decision
from scheduling.tasks import tick
from tests.builders import a_node, a_run, a_user, a_wanted_model
from tests.models_app.people import ROLES, client_as
from tests.scheduling.files import a_model_file

pytestmark = pytest.mark.django_db

QUEUE = "/admin/scheduling/decision/queue/"
DECISIONS = "/admin/scheduling/decision/"
MAY_CHANGE = {"operator", "admin", "superuser"}


def page_of(client, url=QUEUE, **headers) -> str:
    response = client.get(url, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def buttons(page: str) -> list[str]:
    return re.findall(r'formaction="([^"]+)"', page)


@pytest.fixture
def low_and_next():
    """`next` waits for the cores that `low` has."""
    node = a_node(cpu_cores=2, gpus=[24000])
    node.gpus.update(free_mib=9000)
    low = a_wanted_model("low", priority=3, cpu_cores=2, status="running")
    run = a_run(low, RunState.READY, cpu_cores=2)
    Allocation.objects.create(run=run, gpu=node.gpus.get(), mib=10_000)
    return low, a_wanted_model("next", priority=3, cpu_cores=2)


@pytest.mark.parametrize("url", [QUEUE, DECISIONS])
@pytest.mark.parametrize("role", ROLES)
def test_pages_need_the_view_permission(role, url):
    response = client_as(role).get(url)
    if role == "anonymous":
        assert response.url.startswith("/admin/login/")
    else:
        assert response.status_code == (403 if role == "outsider" else 200)


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["Needs 2 CPU cores; 0 of 2 are free on here.", "reserved machine:",
                "10000 of 24000 MiB allocated",
                "measured: 9000 MiB free, 5000 MiB used by"]),
        ("zh-hans", ["调度队列", "等待中的模型", "停止 low（优先级 3）",
                     "其他进程占用 5000 MiB"]),
    ],
)  # fmt: skip
def test_page_shows_waiting_models_reasons_and_bookings(low_and_next, language, texts):
    page = page_of(client_as("operator"), **{"Accept-Language": language})
    for expected in texts:
        assert expected in page


def test_page_shows_suggestions_that_the_user_may_apply(low_and_next):
    low, waiting = low_and_next
    assert buttons(page_of(client_as("operator"))) == [
        f"/admin/models_app/servedmodel/{low.pk}/stop/now/",
        f"{QUEUE}{waiting.pk}/priority/4/",
    ]
    assert buttons(page_of(client_as("viewer"))) == []


def test_page_shows_the_latest_decisions(low_and_next):
    low, _ = low_and_next
    Decision.objects.create(
        kind="eviction", model=low, model_name="low", priority=3,
        code="preempted", params={"by": "<b>high</b>"},
    )  # fmt: skip
    viewer = client_as("viewer")
    for url in (QUEUE, DECISIONS):
        page = page_of(viewer, url)
        assert "Stopped to make room for &lt;b&gt;high&lt;/b&gt;." in page


@pytest.mark.parametrize("role", ROLES)
def test_stop_button_needs_the_permission_to_operate(low_and_next, role):
    low, _ = low_and_next
    client = client_as(role)
    client.post(f"/admin/models_app/servedmodel/{low.pk}/stop/now/")
    low.refresh_from_db()
    assert (low.desired_state == "stopped") is (role in MAY_CHANGE)


@pytest.mark.parametrize("role", ROLES)
def test_priority_button_needs_the_change_permission(low_and_next, role):
    _, waiting = low_and_next
    client_as(role).post(f"{QUEUE}{waiting.pk}/priority/4/")
    waiting.refresh_from_db()
    assert waiting.priority == (4 if role in MAY_CHANGE else 3)


@pytest.mark.parametrize(("to", "status"), [(2, 302), (0, 404), (11, 404)])
def test_priority_button_never_lowers_or_exceeds_the_range(low_and_next, to, status):
    _, waiting = low_and_next
    response = client_as("operator").post(f"{QUEUE}{waiting.pk}/priority/{to}/")
    waiting.refresh_from_db()
    assert (response.status_code, waiting.priority) == (status, 3)


def test_suggestions_need_a_post_with_a_csrf_token(low_and_next):
    _, waiting = low_and_next
    url = f"{QUEUE}{waiting.pk}/priority/4/"
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_user("operator", is_staff=True))
    assert client.get(url).status_code == 405
    assert client.post(url).status_code == 403
    waiting.refresh_from_db()
    assert waiting.priority == 3


def test_viewing_the_page_changes_nothing(low_and_next):
    page_of(client_as("viewer"))
    assert (Activity.objects.count(), Decision.objects.count()) == (0, 0)
    assert Run.objects.get().state == RunState.READY


@pytest.fixture
def large_context():
    """Waits for more memory than there is, unless its context is halved."""
    a_node(memory_mib=9000)
    config = {"model_path": a_model_file(), "n_ctx": 8192, "n_parallel": 1}
    return a_wanted_model(config=config, memory_mib=9000)


def test_page_suggests_a_smaller_context(large_context):
    url = f"{QUEUE}{large_context.pk}/n_ctx/4096/"
    page = page_of(client_as("operator"))
    assert url in buttons(page)
    assert "Lower the context from 8192 to 4096 tokens" in page
    assert url not in buttons(page_of(client_as("viewer")))


@pytest.mark.parametrize("role", ROLES)
def test_context_button_needs_the_change_permission(large_context, role):
    client_as(role).post(f"{QUEUE}{large_context.pk}/n_ctx/4096/")
    large_context.refresh_from_db()
    changed = role in MAY_CHANGE
    assert large_context.config["n_ctx"] == (4096 if changed else 8192)
    assert (large_context.memory_mib < 6000) is changed


@pytest.mark.parametrize("to", [16384, 8192, 4095, 0])
def test_context_button_ignores_sizes_that_are_not_offered(large_context, to):
    response = client_as("operator").post(f"{QUEUE}{large_context.pk}/n_ctx/{to}/")
    large_context.refresh_from_db()
    assert (response.status_code, large_context.config["n_ctx"]) == (
        302,
        8192,
    )


def test_model_with_the_smaller_context_is_placed(large_context):
    client_as("operator").post(f"{QUEUE}{large_context.pk}/n_ctx/4096/")
    tick()
    run = Run.objects.get()
    assert (run.config["n_ctx"], run.state) == (4096, RunState.SCHEDULED)


def test_page_shows_a_hundred_models_and_counts_the_others():
    a_node(cpu_cores=2)
    for number in range(102):
        a_wanted_model(f"m-{number}", cpu_cores=4)
    page = page_of(client_as("viewer"))
    assert page.count('class="pf-position"') == 100
    assert "2 more models are waiting." in page
