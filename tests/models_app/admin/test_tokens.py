from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from knox.crypto import hash_token

from models_app.models import Activity, ApiToken, ServedModel
from models_app.tokens.lifecycle import create_token
from tests.builders import a_model, a_token, a_user
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

LIST = "/admin/models_app/apitoken/"


@pytest.fixture
def admin():
    return client_as("admin")


def create(client, user, name="ci", days=30, **options):
    form = {"user": user.pk, "name": name, "days": days}
    return client.post(f"{LIST}add/", form, **options)


def test_token_is_shown_once_and_works(admin):
    user = a_user(name="robot")
    answer = create(admin, user)
    secret = answer.context["secret"]
    assert f'value="{secret}"' in answer.content.decode()
    token = ApiToken.objects.get(digest=hash_token(secret))
    assert (token.user, token.name) == (user, "ci")
    assert (token.expiry - token.created).days in {29, 30}
    for url in (LIST, "/admin/", f"{LIST}add/"):
        assert secret not in admin.get(url).content.decode()


def test_token_is_kept_nowhere_but_in_the_answer(admin):
    answer = create(admin, a_user(name="robot"))
    secret = answer.context["secret"]
    assert answer.status_code == 200  # no redirect that would have to carry it
    assert "no-store" in answer.headers["Cache-Control"]
    assert secret not in str(answer.cookies)
    assert all(secret not in str(s.get_decoded()) for s in Session.objects.all())
    assert secret not in str(list(Activity.objects.values()))


def test_token_creation_is_recorded(admin):
    create(admin, a_user(name="robot"))
    event = Activity.objects.get()
    assert (event.code, event.actor_name) == ("token_created", "admin")


@pytest.mark.parametrize("days", ["0", "-1", "100000", "x", ""])
def test_days_out_of_range_are_refused(admin, days):
    answer = create(admin, a_user(name="robot"), days=days)
    assert "days" in answer.context["adminform"].errors
    assert not ApiToken.objects.exists()


def test_second_token_of_the_same_name_is_refused(admin):
    user = a_user(name="robot")
    create(admin, user)
    assert create(admin, user).context["adminform"].errors
    assert ApiToken.objects.count() == 1


def test_list_shows_whose_tokens_but_never_a_whole_one(admin):
    secret = a_token(a_user(name="robot"), "nightly")
    page = admin.get(LIST).content.decode()
    assert "robot" in page
    assert "nightly</" in page.replace("nightly</td", "nightly</")
    assert secret[:15] in page
    assert secret not in page


def test_revoked_token_is_gone_and_recorded(admin):
    a_token(a_user(name="robot"), "nightly")
    token = ApiToken.objects.get()
    admin.post(f"{LIST}{token.pk}/delete/", {"post": "yes"})
    assert not ApiToken.objects.exists()
    event = Activity.objects.get(code="token_deleted")
    assert (event.actor_name, event.params["name"]) == ("admin", "nightly")


def test_several_tokens_are_revoked_at_once(admin):
    user = a_user(name="robot")
    a_token(user, "one")
    a_token(user, "two")
    keys = list(ApiToken.objects.values_list("pk", flat=True))
    chosen = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
    admin.post(LIST, chosen)
    assert not ApiToken.objects.exists()
    assert Activity.objects.filter(code="token_deleted").count() == 2


def test_token_cannot_be_changed(admin):
    a_token(a_user(name="robot"), "nightly")
    token = ApiToken.objects.get()
    assert admin.get(f"{LIST}{token.pk}/change/").status_code == 200
    admin.post(f"{LIST}{token.pk}/change/", {"name": "mine", "user": 1, "days": 1})
    token.refresh_from_db()
    assert token.name == "nightly"


def test_administrator_makes_no_token_for_a_superuser(admin):
    root = a_user(name="root", is_superuser=True)
    answer = create(admin, root)
    assert "user" in answer.context["adminform"].errors
    assert not ApiToken.objects.exists()


def test_administrator_neither_sees_nor_revokes_a_superusers_token(admin):
    a_token(a_user(name="root", is_superuser=True), "nightly")
    token = ApiToken.objects.get()
    assert "nightly" not in admin.get(LIST).content.decode()
    admin.post(f"{LIST}{token.pk}/delete/", {"post": "yes"})
    assert ApiToken.objects.exists()


def test_superuser_makes_tokens_for_anybody():
    create(client_as("superuser"), a_user(name="chief", is_superuser=True))
    assert ApiToken.objects.exists()


def test_nobody_gets_a_token_for_a_deactivated_account(admin):
    gone = a_user(name="gone", is_active=False)
    assert "user" in create(admin, gone).context["adminform"].errors


@pytest.mark.parametrize("scopes", [[], ["metrics"], ["inference", "metrics"]])
def test_token_may_be_restricted(admin, scopes):
    user = a_user(name="robot")
    form = {"user": user.pk, "name": "ci", "days": 30, "scopes": scopes}
    admin.post(f"{LIST}add/", form)
    assert ApiToken.objects.get().scopes == scopes
    assert ("reading /metrics" in admin.get(LIST).content.decode()) == bool(scopes)


@pytest.mark.parametrize("names", [[], ["smol"], ["big", "smol"]])
def test_token_may_be_limited_to_models(admin, names):
    user, models = a_user(name="robot"), {n: a_model(n) for n in ("smol", "big")}
    form = {"user": user.pk, "name": "ci", "days": 30}
    form["allowed_models"] = [models[name].pk for name in names]
    admin.post(f"{LIST}add/", form)
    token = ApiToken.objects.get()
    assert token.model_names == (names or None)
    shown = ", ".join(names) or "any"
    for page in (LIST, f"{LIST}{token.pk}/change/"):
        assert shown in admin.get(page).content.decode()


def test_token_is_not_limited_to_a_model_that_does_not_exist(admin):
    user = a_user(name="robot")
    form = {"user": user.pk, "name": "ci", "days": 30, "allowed_models": [9]}
    answer = admin.post(f"{LIST}add/", form)
    assert "allowed_models" in answer.context["adminform"].errors
    assert not ApiToken.objects.exists()


def test_token_whose_models_are_gone_is_shown_with_none(admin):
    token, _ = create_token(a_user(name="robot"), "ci", models=[a_model("smol").name])
    ServedModel.objects.get().delete()
    page = admin.get(f"{LIST}{token.pk}/change/").content.decode()
    assert "none" in page


def test_unknown_scope_is_refused(admin):
    user = a_user(name="robot")
    form = {"user": user.pk, "name": "ci", "days": 30, "scopes": ["all"]}
    answer = admin.post(f"{LIST}add/", form)
    assert "scopes" in answer.context["adminform"].errors
    assert not ApiToken.objects.exists()


def test_expired_token_stays_listed_as_expired(admin):
    a_token(a_user(name="robot"), "nightly")
    ApiToken.objects.update(expiry=timezone.now() - timedelta(days=1))
    assert "(expired)" in admin.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("used", "shown"),
    [(None, "never"), (datetime(2026, 3, 4, 5, 6, tzinfo=UTC), "2026-03-04 05:06<")],
)
def test_last_use_is_listed_to_the_minute(admin, used, shown):
    a_token(a_user(name="robot"), "nightly")
    ApiToken.objects.update(last_used_at=used)
    assert shown in admin.get(LIST).content.decode()


def test_operator_creates_tokens_of_their_own_only(django_user_model):
    client = client_as("operator")
    own = django_user_model.objects.get(username="operator")
    page = client.get(f"{LIST}add/")
    assert page.context["adminform"].form["user"].value() == own.pk
    answer = create(client, a_user(name="robot"))
    assert "user" in answer.context["adminform"].errors
    assert not ApiToken.objects.exists()
    assert "secret" in create(client, own).context
    assert ApiToken.objects.get().user == own
