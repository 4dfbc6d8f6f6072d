import pytest

from models_app.models import Activity
from runtimes.machine.maintenance import mark_unhealthy
from runtimes.models import Gpu
from tests.builders import a_node
from tests.models_app.people import ROLES, client_as

pytestmark = pytest.mark.django_db

GPUS = "/admin/runtimes/gpu/"
MAY_OPERATE = {"operator", "admin", "superuser"}


def choose(client, action):
    chosen = list(Gpu.objects.values_list("pk", flat=True)[:1])
    return client.post(GPUS, {"action": action, "_selected_action": chosen})


@pytest.mark.parametrize("mode", ["excluded", "drained"])
@pytest.mark.parametrize("role", ROLES)
def test_only_those_who_operate_take_a_gpu_out(role, mode):
    a_node(gpus=[24000, 24000])
    choose(client_as(role), f"{mode}_selected")
    expected = [mode if role in MAY_OPERATE else "open", "open"]
    assert list(Gpu.objects.values_list("mode", flat=True)) == expected


def test_mode_is_reported_and_recorded_once():
    a_node(gpus=[24000])
    client = client_as("operator")
    for action in ("drained_selected", "drained_selected", "open_selected"):
        page = choose(client, action)
        assert page.status_code == 302
    messages = [event.message for event in Activity.objects.order_by("pk")]
    assert messages == [
        "GPU here/0 fake is being drained: its models are moved away.",
        "GPU here/0 fake accepts models again.",
    ]
    assert Activity.objects.first().actor_name == "operator"


@pytest.mark.parametrize("page", [GPUS, "/admin/runtimes/node/"])
@pytest.mark.parametrize("role", ROLES)
def test_pages_open_for_those_who_view_models(role, page):
    a_node(gpus=[24000])
    answer = client_as(role).get(page)
    if role == "anonymous":
        assert answer.url.startswith("/admin/login/")
    else:
        assert answer.status_code == (403 if role == "outsider" else 200)


def test_gpus_cannot_be_added_edited_or_deleted():
    gpu = a_node(gpus=[24000]).gpus.get()
    client = client_as("superuser")
    assert client.get(f"{GPUS}add/").status_code == 403
    assert client.post(f"{GPUS}{gpu.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"{GPUS}{gpu.pk}/change/", {"mode": "drained", "memory_mib": 1})
    gpu.refresh_from_db()
    assert (gpu.mode, gpu.memory_mib) == ("open", 24000)
    assert "24000" in client.get(f"{GPUS}{gpu.pk}/change/").content.decode()


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_actions_are_shown_to_those_who_operate(role):
    a_node(gpus=[24000])
    page = client_as(role).get(GPUS).content.decode()
    assert ("drained_selected" in page) is (role == "operator")


def an_unhealthy_gpu():
    gpu = a_node(gpus=[24000]).gpus.get()
    mark_unhealthy(gpu, "gpu_needs_reset", {"xid": 62})
    return gpu


@pytest.mark.parametrize("role", ROLES)
def test_only_those_who_operate_mark_a_gpu_as_healthy(role):
    gpu = an_unhealthy_gpu()
    choose(client_as(role), "healthy_selected")
    gpu.refresh_from_db()
    assert (gpu.unhealthy_code == "") is (role in MAY_OPERATE)


def test_marking_as_healthy_is_recorded_once_and_takes_a_post():
    gpu = an_unhealthy_gpu()
    client = client_as("operator")
    client.get(GPUS, {"action": "healthy_selected", "_selected_action": gpu.pk})
    gpu.refresh_from_db()
    assert gpu.unhealthy_code
    for _ in range(2):
        choose(client, "healthy_selected")
    messages = [event.message for event in Activity.objects.order_by("pk")]
    assert messages == [
        "GPU here/0 fake is unhealthy and accepts no models until it recovers."
        " The GPU reported XID 62 and must be reset.",
        "GPU here/0 fake is healthy again.",
    ]
    assert Activity.objects.first().actor_name == "operator"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Healthy"),
        ({"lost": True}, "The driver can no longer reach the GPU."),
        (
            {"unhealthy_code": "gpu_needs_reboot", "unhealthy_params": {"xid": 79}},
            "The GPU reported XID 79. The machine must be restarted.",
        ),
    ],
)
def test_pages_show_the_health_of_a_gpu(fields, text):
    node = a_node(gpus=[24000])
    node.gpus.update(**fields)
    client = client_as("viewer")
    for page in (GPUS, f"{GPUS}{node.gpus.get().pk}/change/"):
        assert text in client.get(page).content.decode()
