import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from models_app.accounts.recording import IN_ALL, PER_SOURCE, Throttle, throttle
from models_app.activity import ACCOUNT_CODES
from models_app.models import Activity
from tests.builders import a_user
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
USERS = "/admin/auth/user/"
LOCKED = "Too many failed sign-ins. Try again in 15 min."


@pytest.fixture(autouse=True)
def fresh_throttle():
    throttle.until = 0


@pytest.fixture
def user():
    return a_user("viewer", is_staff=True)


def sign_in(*password, name="viewer", address="10.0.0.1", **headers):
    """With the right password unless another is given."""
    client = Client(REMOTE_ADDR=address, **headers)
    return client.post(LOGIN, {"username": name, "password": [*password, "pw"][0]})


def events() -> list[tuple]:
    rows = Activity.objects.order_by("pk")
    return [(row.code, row.params.get("user"), row.address) for row in rows]


def test_sign_in_and_out_are_recorded_with_the_address(user):
    client = Client(REMOTE_ADDR="10.0.0.1")
    client.post(LOGIN, {"username": "viewer", "password": "pw"})
    client.post("/admin/logout/")
    assert events() == [
        ("signed_in", "viewer", "10.0.0.1"),
        ("signed_out", "viewer", "10.0.0.1"),
    ]
    assert {event.actor for event in Activity.objects.all()} == {user}


def test_failed_sign_in_is_recorded_without_what_may_be_a_password(user):
    sign_in("wrong")
    sign_in("wrong", name="my secret password")
    assert events() == [
        ("sign_in_failed", "viewer", "10.0.0.1"),
        ("sign_in_failed", None, "10.0.0.1"),
    ]


def test_guessing_is_locked_even_for_the_right_password(user):
    assert [sign_in("wrong").status_code for _ in range(4)] == [200] * 4
    for password in ("wrong", "wrong", "pw"):
        answer = sign_in(password)
        assert answer.status_code == 429
        assert LOCKED in answer.content.decode()
        assert answer["Retry-After"] == "900"
    assert "signed_in" not in {code for code, *_ in events()}
    assert events()[-1][0] == "sign_in_locked"


def test_lock_is_explained_in_chinese(user):
    for _ in range(5):
        answer = sign_in("wrong", HTTP_ACCEPT_LANGUAGE="zh-hans")
    assert "登录失败次数过多，请在 15 分钟后重试。" in answer.content.decode()


def test_lock_is_of_one_user_and_one_address(user):
    a_user("operator", is_staff=True)
    for _ in range(5):
        sign_in("wrong")
    assert sign_in(address="10.0.0.2").status_code == 302
    assert sign_in(name="operator").status_code == 302
    assert sign_in().status_code == 429


@pytest.mark.parametrize(
    ("trusted", "status", "address"),
    [(True, 302, "203.0.113.9"), (False, 429, "10.0.0.1")],
)
def test_address_behind_a_proxy(user, settings, trusted, status, address):
    """The proxy appends the address it sees; what the client sends comes before."""
    settings.TRUST_PROXY = trusted
    for _ in range(5):
        sign_in("wrong", HTTP_X_FORWARDED_FOR="203.0.113.9, 203.0.113.1")
    answer = sign_in(HTTP_X_FORWARDED_FOR="203.0.113.1, 203.0.113.9")
    assert answer.status_code == status
    assert events()[-1][2] == address


def test_success_resets_the_count(user):
    for _ in range(2):
        for _ in range(4):
            sign_in("wrong")
        assert sign_in().status_code == 302


def test_flood_of_failures_does_not_fill_the_table(user):
    for number in range(PER_SOURCE + 5):
        sign_in("wrong", name=f"user{number}")
    assert Activity.objects.count() == PER_SOURCE


def test_throttle_admits_so_many_in_all_and_counts_the_rest():
    limit = Throttle()
    admitted = [limit.admit(f"10.0.{n}.1") for n in range(IN_ALL + 7)]
    assert admitted == [0] * IN_ALL + [None] * 7
    limit.until = 0
    assert [limit.admit("10.0.0.1"), limit.admit("10.0.0.1")] == [7, 0]


# Changes of accounts


def group(name="viewer") -> Group:
    return Group.objects.get(name=name)


def in_the_admin(path, **form):
    client_as("superuser").post(path, form, REMOTE_ADDR="10.0.0.7")


def create(user):
    password = "long enough 17"
    in_the_admin(
        f"{USERS}add/", username="new", usable_password="true",
        password1=password, password2=password,
    )  # fmt: skip


def edit(user, **fields):
    form = {"username": "viewer", "is_active": "on", "is_staff": "on"}
    form["groups"] = [group().pk]
    in_the_admin(f"{USERS}{user.pk}/change/", **{**form, **fields})


def new_password(user):
    password = "long enough 17"
    in_the_admin(
        f"{USERS}{user.pk}/password/", usable_password="true",
        password1=password, password2=password,
    )  # fmt: skip


CHANGES = [
    (create, "account_created", {"user": "new"}),
    (
        lambda user: edit(user, is_superuser="on"),
        "account_changed",
        {"user": "viewer", "fields": ["is_superuser"]},
    ),
    (
        lambda user: edit(user, groups=[group("operator").pk]),
        "permissions_changed",
        {"user": "viewer", "groups": ["operator"]},
    ),
    (new_password, "password_changed", {"user": "viewer"}),
    (
        lambda user: in_the_admin(f"{USERS}{user.pk}/delete/", post="yes"),
        "account_deleted",
        {"user": "viewer"},
    ),
    (
        lambda user: in_the_admin("/admin/auth/group/add/", name="new"),
        "group_created",
        {"group": "new"},
    ),
    (
        lambda user: in_the_admin(
            f"/admin/auth/group/{group().pk}/change/", name="viewer", permissions=[]
        ),
        "group_changed",
        {"group": "viewer"},
    ),
    (
        lambda user: in_the_admin(
            f"/admin/auth/group/{group().pk}/delete/", post="yes"
        ),
        "group_deleted",
        {"group": "viewer"},
    ),
]


@pytest.mark.parametrize(("change", "code", "params"), CHANGES)
def test_changes_of_accounts_are_recorded_with_actor_and_address(
    user, change, code, params
):
    change(user)
    event = Activity.objects.filter(code=code).first()
    shown = {**event.params}
    assert (shown, event.actor_name, event.address) == (params, "root", "10.0.0.7")
    assert "%(" not in event.message


def test_change_by_a_command_is_recorded_without_an_actor(user):
    user.user_permissions.add(Permission.objects.get(codename="delete_group"))
    User.objects.create_superuser("new", password="x")
    codes = {(row.code, row.actor_name) for row in Activity.objects.all()}
    assert codes == {("permissions_changed", ""), ("account_created", "")}


@pytest.mark.parametrize(("role", "sees"), [("viewer", False), ("admin", True)])
def test_only_who_views_users_sees_events_of_accounts(role, sees):
    for code in ACCOUNT_CODES:
        Activity.objects.create(code=code, address="10.9.8.7")
    Activity.objects.create(code="start_requested", address="10.9.8.7")
    client = client_as(role)
    page = client.get("/admin/models_app/activity/").content.decode()
    assert ("10.9.8.7" in page) == sees
    codes = {event.code for event in client.get("/admin/").context["events"]}
    assert codes == {"start_requested"} | (set(ACCOUNT_CODES) if sees else set())
