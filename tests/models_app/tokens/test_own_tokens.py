from datetime import timedelta

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.utils import timezone

from models_app.models import Activity, ApiToken
from tests.api import client_of
from tests.builders import a_token, a_user
from tests.models_app.people import ROLES, a_person, client_as

pytestmark = pytest.mark.django_db

HASHERS = "django.contrib.auth.hashers"
LIST = "/admin/models_app/apitoken/"
SIGNED_IN = [role for role in ROLES if role != "anonymous"]


def names() -> set[str]:
    return set(ApiToken.objects.values_list("name", flat=True))


@pytest.fixture
def user():
    user = a_user("operator")
    a_token(user, "one")
    a_token(user, "two")
    a_token(a_user(name="other"), "other")
    return user


def set_password(user):
    user.set_password("another good one")
    user.save()


def lock_password(user):
    user.set_unusable_password()
    user.save()


def change_password_in_the_admin(user):
    form = {"password1": "another good one", "password2": "another good one"}
    form["usable_password"] = "true"
    client_as("superuser").post(f"/admin/auth/user/{user.pk}/password/", form)


def deactivate(user):
    user.is_active = False
    user.save()


@pytest.mark.parametrize(
    "end", [set_password, lock_password, change_password_in_the_admin, deactivate]
)
def test_tokens_end_with_the_password_or_the_account(user, end):
    end(user)
    assert names() == {"other"}
    assert Activity.objects.filter(code="token_deleted").count() == 2


def rename(user):
    user.first_name = "Ada"
    user.save()


def test_tokens_stay_when_something_else_changes(user):
    rename(user)
    assert names() == {"one", "two", "other"}


def test_tokens_stay_when_a_sign_in_renews_a_weak_hash(user, settings):
    settings.PASSWORD_HASHERS = [f"{HASHERS}.PBKDF2PasswordHasher"]
    weak = PBKDF2PasswordHasher().encode("pw", "salt", iterations=1)
    User.objects.filter(pk=user.pk).update(password=weak)
    user.refresh_from_db()
    assert user.check_password("pw")
    user.refresh_from_db()
    assert user.password != weak
    assert names() == {"one", "two", "other"}


def test_saving_only_the_password_ends_tokens(user):
    user.set_password("another good one")
    user.save(update_fields=["password"])
    assert names() == {"other"}


@pytest.mark.parametrize("role", SIGNED_IN)
def test_everybody_lists_and_revokes_their_own_tokens_in_the_admin(role):
    other, mine = a_user(name="someone"), a_person(role)
    a_token(other, "strangers-token")
    a_token(mine, "visible")
    client = client_as("anonymous")
    client.force_login(mine)
    page = client.get(LIST).content.decode()
    manages = role in ("admin", "superuser")
    assert "visible" in page
    assert ("strangers-token" in page) == manages
    for token in ApiToken.objects.all():
        client.post(f"{LIST}{token.pk}/delete/", {"post": "yes"})
    assert names() == (set() if manages else {"strangers-token"})


@pytest.mark.parametrize("role", SIGNED_IN)
def test_several_own_tokens_are_revoked_at_once(role):
    other, mine = a_user(name="someone"), a_person(role)
    a_token(other, "strangers-token")
    a_token(mine, "one")
    a_token(mine, "two")
    client = client_as("anonymous")
    client.force_login(mine)
    keys = list(ApiToken.objects.filter(user=mine).values_list("pk", flat=True))
    chosen = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
    client.post(LIST, chosen)
    assert names() == {"strangers-token"}


@pytest.mark.parametrize("group", ["viewer", "operator", "admin", ""])
def test_everybody_lists_and_revokes_their_own_tokens_through_the_api(group):
    a_token(a_user(name="someone"), "strangers-token")
    client = client_of(a_user(group))
    answer = client.get("/api/tokens").json()
    [shown] = answer["results"]
    assert (shown["name"], shown["expired"], shown["scopes"]) == ("test", False, [])
    hidden = ApiToken.objects.get(name="strangers-token").token_key
    assert client.delete(f"/api/tokens/{hidden}").status_code == 404
    assert client.delete(f"/api/tokens/{shown['prefix']}").status_code == 204
    assert client.get("/api/tokens").status_code == 401
    assert names() == {"strangers-token"}


def test_expired_tokens_are_listed_as_expired():
    user = a_user("viewer")
    client = client_of(user)
    a_token(user, "old")
    past = timezone.now() - timedelta(days=1)
    ApiToken.objects.filter(name="old").update(expiry=past)
    shown = client.get("/api/tokens").json()["results"]
    assert {token["name"]: token["expired"] for token in shown} == {
        "old": True,
        "test": False,
    }
