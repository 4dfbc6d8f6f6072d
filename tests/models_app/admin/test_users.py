"""Nobody gains more than they have."""

import pytest
from django.contrib.auth.models import Group, Permission, User

from models_app.permissions import grantable_groups, manageable_users
from tests.builders import a_user
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

LIST = "/admin/auth/user/"


@pytest.fixture
def admin():
    return client_as("admin")


def group_id(name) -> int:
    return Group.objects.get(name=name).pk


def stronger_group() -> Group:
    group = Group.objects.create(name="stronger")
    group.permissions.add(Permission.objects.get(codename="change_group"))
    return group


def change(client, user, **fields):
    form = {"username": user.username, "is_active": "on", **fields}
    return client.post(f"{LIST}{user.pk}/change/", form)


def test_administrator_adds_a_person_with_a_group(admin):
    form = {
        "username": "new", "usable_password": "true",
        "password1": "long enough 17", "password2": "long enough 17",
        "is_staff": "on", "groups": [group_id("operator")],
    }  # fmt: skip
    admin.post(f"{LIST}add/", form)
    person = User.objects.get(username="new")
    assert (person.is_staff, person.is_superuser) == (True, False)
    assert person.check_password("long enough 17")
    assert [group.name for group in person.groups.all()] == ["operator"]


def test_form_explains_the_staff_flag(admin):
    person = a_user(name="somebody")
    for url in (f"{LIST}add/", f"{LIST}{person.pk}/change/"):
        assert "can use the API but not these pages" in admin.get(url).content.decode()


def test_administrator_cannot_make_a_superuser(admin):
    person = a_user(name="somebody")
    rights = Permission.objects.values_list("pk", flat=True)
    change(admin, person, is_superuser="on", user_permissions=list(rights))
    person.refresh_from_db()
    assert person.is_superuser is False
    assert not person.user_permissions.exists()


def test_administrator_cannot_grant_a_group_with_more_than_they_have(admin):
    person = a_user(name="somebody")
    answer = change(admin, person, groups=[stronger_group().pk])
    assert "groups" in answer.context["adminform"].errors
    assert not person.groups.exists()


def a_superuser():
    return a_user(name="root", is_superuser=True)


def a_stronger_person():
    person = a_user(name="chief")
    person.groups.add(stronger_group())
    return person


def a_person_with_a_right_of_their_own():
    person = a_user(name="chief")
    person.user_permissions.add(Permission.objects.get(codename="delete_group"))
    return person


def a_deactivated_superuser():
    return a_user(name="root", is_superuser=True, is_active=False)


BEYOND = [
    a_superuser,
    a_stronger_person,
    a_person_with_a_right_of_their_own,
    a_deactivated_superuser,
]


@pytest.mark.parametrize("beyond", BEYOND)
def test_administrator_cannot_touch_who_has_more(admin, beyond):
    person = beyond()
    old = person.password
    assert change(admin, person, username="mine").status_code == 403
    passwords = {"password1": "taken over 17", "password2": "taken over 17"}
    assert admin.post(f"{LIST}{person.pk}/password/", passwords).status_code == 403
    assert admin.post(f"{LIST}{person.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {
        "action": "delete_selected",
        "_selected_action": [person.pk],
        "post": "yes",
    }
    assert admin.post(LIST, chosen).status_code == 403
    person.refresh_from_db()
    assert (person.username != "mine", person.password) == (True, old)


def test_administrator_changes_and_deletes_who_has_less(admin):
    person = a_user("operator", name="somebody")
    change(admin, person, groups=[group_id("viewer")])
    assert [group.name for group in person.groups.all()] == ["viewer"]
    admin.post(f"{LIST}{person.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(username="somebody").exists()


@pytest.mark.parametrize("role", ["admin", "superuser"])
def test_nobody_deletes_their_own_account(role):
    client = client_as(role)
    me = User.objects.get()
    assert client.post(f"{LIST}{me.pk}/delete/", {"post": "yes"}).status_code == 403


def test_superuser_makes_superusers_and_edits_groups():
    root, person = client_as("superuser"), a_user(name="somebody")
    change(root, person, is_superuser="on", groups=[stronger_group().pk])
    person.refresh_from_db()
    assert person.is_superuser
    assert person.groups.count() == 1
    answer = root.post(
        f"/admin/auth/group/{group_id('viewer')}/change/", {"name": "readers"}
    )
    assert answer.status_code == 302
    assert Group.objects.filter(name="readers").exists()


def test_administrator_only_looks_at_groups(admin):
    url = f"/admin/auth/group/{group_id('viewer')}/change/"
    assert admin.get(url).status_code == 200
    assert admin.post(url, {"name": "mine"}).status_code == 403


def test_manageable_users_and_groups_of_an_operator_are_those_with_no_more():
    operator = a_user("operator")
    a_user("viewer")
    a_user("admin")
    a_superuser()
    assert {user.username for user in manageable_users(operator)} == {
        "operator",
        "viewer",
    }
    assert {group.name for group in grantable_groups(operator)} == {
        "operator",
        "viewer",
    }
