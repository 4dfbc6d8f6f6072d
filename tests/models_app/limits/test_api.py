import pytest
from django.contrib.auth.models import Group

from models_app.limits.models import Limit
from models_app.models import Activity, ApiToken
from tests.api import administrator, codes, operator, send
from tests.builders import a_model, a_token, a_user

pytestmark = pytest.mark.django_db

LIMITS = "/api/limits"
RPM = {"requests_per_minute": 60}


@pytest.fixture
def subjects():
    """The name of one subject of each kind."""
    user = a_user(name="ann")
    a_token(user, "laptop")
    a_model("smol")
    token = ApiToken.objects.get(user=user)
    return {"token": token.token_key, "user": "ann", "group": "viewer", "model": "smol"}


@pytest.mark.parametrize("subject", ["token", "user", "group", "model"])
def test_limit_of_each_subject_is_created_changed_and_deleted(subject, subjects):
    client = administrator()
    body = {subject: subjects[subject], **RPM, "tokens_per_day": 10**12}
    created = send(client, "POST", LIMITS, body)
    assert created.status_code == 201, created.json()
    shown = created.json()
    assert shown["subject"] == subject
    assert {name: shown[name] for name in body} == body
    assert shown["max_in_flight"] is None
    path = f"{LIMITS}/{shown['id']}"
    changed = send(client, "PATCH", path, {"tokens_per_day": None, "max_in_flight": 2})
    assert changed.status_code == 200, changed.json()
    limit = Limit.objects.get()
    numbers = (limit.requests_per_minute, limit.tokens_per_day, limit.max_in_flight)
    assert numbers == (60, None, 2)
    assert client.get(f"{LIMITS}?subject={subject}").json()["count"] == 1
    assert send(client, "DELETE", path, {}).status_code == 204
    assert not Limit.objects.exists()
    events = list(Activity.objects.filter(code__startswith="limit_").order_by("pk"))
    assert [e.code for e in events] == [
        "limit_created", "limit_changed", "limit_deleted",
    ]  # fmt: skip
    assert all(event.params["subject"] == subject for event in events)
    assert events[1].params["fields"] == ["max_in_flight", "tokens_per_day"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (RPM, ("subject", "limit_one_subject")),
        ({"user": "ann", "model": "smol", **RPM}, ("subject", "limit_one_subject")),
        ({"user": "ann"}, ("", "limit_empty")),
        ({"user": "nobody", **RPM}, ("user", "no_such_subject")),
        ({"user": "a\0b", **RPM}, ("user", "no_such_subject")),
        ({"user": 7, **RPM}, ("user", "wrong_type")),
        ({"user": "ann", "requests_per_minute": 0}, None),
        ({"user": "ann", "requests_per_minute": "60"}, None),
        ({"user": "ann", "tokens_per_month": 10**16}, None),
        ({"user": "ann", "priority": 11}, ("priority", "out_of_range")),
        ({"user": "ann", "rpm": 5}, ("rpm", "unknown_field")),
        ({"user": "ann", "queue_length": 5}, ("queue_length", "limit_other_subject")),
        ({"model": "smol", "weight": 5}, ("weight", "limit_other_subject")),
        ({"model": "smol", "queue_length": 5}, ("queue_length", "limit_needs")),
        (
            {"model": "smol", "max_in_flight": 5, "queue_wait_s": 5},
            ("queue_wait_s", "limit_needs"),
        ),
    ],
)
def test_invalid_limit_is_refused(body, expected, subjects):
    answer = send(administrator(), "POST", LIMITS, body)
    assert answer.status_code == 400
    if expected:
        assert expected in codes(answer)
    assert not Limit.objects.exists()


def test_second_limit_of_a_subject_is_refused(subjects):
    client = administrator()
    body = {"user": "ann", **RPM}
    assert send(client, "POST", LIMITS, body).status_code == 201
    assert codes(send(client, "POST", LIMITS, body)) == [("user", "limit_exists")]


def test_subject_of_a_limit_is_fixed(subjects):
    a_user(name="bob")
    limit = Limit.objects.create(user=a_user(name="eve"), **RPM)
    path = f"{LIMITS}/{limit.pk}"
    client = administrator()
    for body in ({"user": "bob"}, {"user": None, "model": "smol"}):
        answer = send(client, "PATCH", path, body)
        assert "limit_subject_fixed" in {code for _, code in codes(answer)}
    assert send(client, "PUT", path, {"user": "eve", "weight": 3}).status_code == 200


def test_limit_goes_with_its_subject(subjects):
    for subject, row in (
        ("user", a_user(name="gone")),
        ("group", Group.objects.create(name="team")),
        ("model", a_model("old")),
        ("token", ApiToken.objects.get()),
    ):
        Limit.objects.create(**{subject: row}, **RPM)
        row.delete()
    assert not Limit.objects.exists()


def test_list_takes_the_same_number_of_queries(subjects, django_assert_num_queries):
    client = administrator()
    for number in range(5):
        Limit.objects.create(user=a_user(name=f"u{number}"), **RPM)
    client.get(LIMITS)
    with django_assert_num_queries(5):
        assert client.get(LIMITS).json()["count"] == 5


def test_operators_neither_see_nor_set_limits(subjects):
    client = operator()
    assert client.get(LIMITS).status_code == 403
    assert send(client, "POST", LIMITS, {"user": "ann", **RPM}).status_code == 403
