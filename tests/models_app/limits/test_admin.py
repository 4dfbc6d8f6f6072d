import pytest

from models_app.limits.models import Limit
from models_app.models import Activity
from tests.builders import a_model, a_user
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

LIST = "/admin/models_app/limit/"


@pytest.fixture
def admin():
    return client_as("admin")


def errors(answer):
    return answer.context["adminform"].form.errors


def test_limit_is_created_and_changed_on_the_page(admin):
    user = a_user(name="ann")
    form = {"user": user.pk, "requests_per_minute": 60, "priority": 8}
    assert admin.post(f"{LIST}add/", form).status_code == 302
    limit = Limit.objects.get()
    assert (limit.subject, limit.requests_per_minute, limit.priority) == ("user", 60, 8)
    url = f"{LIST}{limit.pk}/change/"
    page = admin.get(url).content.decode()
    assert 'name="weight"' in page
    assert 'name="queue_length"' not in page
    form = {"requests_per_minute": 30, "priority": "", "weight": 2}
    assert admin.post(url, form).status_code == 302
    limit.refresh_from_db()
    numbers = (limit.requests_per_minute, limit.priority, limit.weight)
    assert numbers == (30, None, 2)
    listed = admin.get(LIST).content.decode()
    assert "ann" in listed
    assert "requests per minute: 30" in listed
    codes = Activity.objects.filter(code__startswith="limit").values_list("code")
    assert sorted(code for (code,) in codes) == ["limit_changed", "limit_created"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"requests_per_minute": 1}, "__all__"),
        ({"model": True, "requests_per_minute": 0}, "requests_per_minute"),
        ({"model": True, "queue_length": 5}, "queue_length"),
        ({"model": True, "priority": 5}, "priority"),
        ({"model": True}, "__all__"),
        ({"model": True, "user": True, "requests_per_minute": 1}, "__all__"),
    ],
)
def test_invalid_limit_is_shown_with_its_error(admin, fields, wrong):
    rows = {"model": a_model, "user": lambda: a_user(name="ann")}
    form = {k: rows[k]().pk if k in rows else v for k, v in fields.items()}
    answer = admin.post(f"{LIST}add/", form)
    assert wrong in errors(answer)
    assert not Limit.objects.exists()


def test_model_has_a_queue(admin):
    form = {"model": a_model().pk, "max_in_flight": 2, "queue_length": 9}
    admin.post(f"{LIST}add/", form)
    limit = Limit.objects.get()
    page = admin.get(f"{LIST}{limit.pk}/change/").content.decode()
    assert 'name="queue_wait_s"' in page
    assert 'name="weight"' not in page
    admin.post(f"{LIST}{limit.pk}/delete/", {"post": "yes"})
    assert not Limit.objects.exists()
    assert Activity.objects.filter(code="limit_deleted").exists()
