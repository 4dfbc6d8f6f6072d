"""Who may open and do what in the admin: one table."""

import pytest
from django.urls import reverse

from models_app.limits.models import Limit
from models_app.models import ApiToken, ServedModel
from tests.builders import a_model, a_run, a_user, an_alias
from tests.models_app.people import ROLES, client_as

pytestmark = pytest.mark.django_db

LOGIN, OK, NO = "login", 200, 403
LIST = "/admin/models_app/servedmodel/"
PAGES = {
    # page: anonymous, outsider, viewer, operator, admin, superuser
    "index": (LOGIN, OK, OK, OK, OK, OK),
    "models_app_servedmodel_changelist": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_servedmodel_live_rows": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_servedmodel_add": (LOGIN, NO, NO, OK, OK, OK),
    "models_app_servedmodel_change": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_servedmodel_live_panel": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_servedmodel_delete": (LOGIN, NO, NO, NO, OK, OK),
    "models_app_run_changelist": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_run_change": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_run_add": (LOGIN, NO, NO, NO, NO, NO),
    "models_app_run_delete": (LOGIN, NO, NO, NO, NO, NO),
    "models_app_activity_changelist": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_jobs": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_activity_add": (LOGIN, NO, NO, NO, NO, NO),
    "models_app_apitoken_changelist": (LOGIN, OK, OK, OK, OK, OK),
    "models_app_apitoken_add": (LOGIN, NO, NO, OK, OK, OK),
    "models_app_modelalias_changelist": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_modelalias_add": (LOGIN, NO, NO, OK, OK, OK),
    "models_app_modelalias_change": (LOGIN, NO, OK, OK, OK, OK),
    "models_app_modelalias_delete": (LOGIN, NO, NO, OK, OK, OK),
    "models_app_limit_changelist": (LOGIN, NO, NO, NO, OK, OK),
    "models_app_limit_add": (LOGIN, NO, NO, NO, OK, OK),
    "models_app_limit_change": (LOGIN, NO, NO, NO, OK, OK),
    "models_app_limit_delete": (LOGIN, NO, NO, NO, OK, OK),
    "auth_user_changelist": (LOGIN, NO, NO, NO, OK, OK),
    "auth_user_add": (LOGIN, NO, NO, NO, OK, OK),
    "auth_user_change": (LOGIN, NO, NO, NO, OK, OK),
    "auth_group_changelist": (LOGIN, NO, NO, NO, OK, OK),
    "auth_group_add": (LOGIN, NO, NO, NO, NO, OK),
}


def url_of(page: str) -> str:
    model = a_model()
    subject = {
        "models_app_servedmodel": model.pk,
        "models_app_run": a_run(model).pk,
        "models_app_modelalias": an_alias("any", model).pk,
        "models_app_limit": Limit.objects.create(model=model, max_in_flight=1).pk,
        "auth_user": a_user(name="somebody").pk,
    }
    app_model, _, view = page.rpartition("_")
    if view == "panel":
        return reverse(f"admin:{page}", args=[model.pk])
    one = view in {"change", "delete"}
    return reverse(f"admin:{page}", args=[subject[app_model]] if one else [])


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("role", ROLES)
def test_page_opens_for(role, page):
    answer = client_as(role).get(url_of(page))
    expected = PAGES[page][ROLES.index(role)]
    if expected == LOGIN:
        assert answer.url.startswith("/admin/login/")
    else:
        assert answer.status_code == expected


@pytest.mark.parametrize(
    ("role", "started"),
    [
        ("anonymous", False),
        ("outsider", False),
        ("viewer", False),
        ("operator", True),
        ("admin", True),
        ("superuser", True),
    ],
)
def test_only_those_who_operate_start_a_model(role, started):
    model = a_model()
    client_as(role).post(f"{LIST}{model.pk}/start/now/")
    model.refresh_from_db()
    assert (model.desired_state == "running") is started


@pytest.mark.parametrize("role", ROLES)
def test_only_administrators_delete_a_model(role):
    model = a_model()
    client_as(role).post(f"{LIST}{model.pk}/delete/", {"post": "yes"})
    gone = not ServedModel.objects.filter(pk=model.pk).exists()
    assert gone is (role in {"admin", "superuser"})


@pytest.mark.parametrize("role", ROLES)
def test_only_administrators_create_tokens(role):
    user = a_user(name="somebody")
    form = {"user": user.pk, "name": "ci", "days": 30}
    client_as(role).post("/admin/models_app/apitoken/add/", form)
    assert ApiToken.objects.exists() is (role in {"admin", "superuser"})


def test_viewer_is_shown_no_way_to_change_anything():
    model = a_model()
    viewer = client_as("viewer")
    for url in (
        LIST,
        f"{LIST}{model.pk}/change/",
    ):
        page = viewer.get(url).content.decode()
        assert "formaction" not in page
        assert 'name="_save"' not in page


def test_account_without_staff_flag_cannot_enter():
    user = a_user("admin")
    client = client_as("anonymous")
    client.force_login(user)
    assert client.get("/admin/").url.startswith("/admin/login/")


@pytest.mark.parametrize(("role", "shown"), [("viewer", False), ("operator", True)])
def test_only_editors_see_the_force_option(role, shown):
    page = client_as(role).get(f"{LIST}{a_model().pk}/change/").content.decode()
    assert ("force" in page) == shown


@pytest.mark.parametrize(("role", "shown"), [("viewer", False), ("operator", True)])
def test_who_changes_models_is_shown_what_they_would_take(role, shown):
    model = a_model()
    client = client_as(role)
    page = client.get(f"{LIST}{model.pk}/change/").content.decode()
    assert (f'data-estimate="{model.pk}"' in page) == shown
    if shown:
        assert 'data-estimate=""' in client.get(f"{LIST}add/").content.decode()
