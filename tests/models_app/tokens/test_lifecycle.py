from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from common.exceptions import Invalid
from models_app.models import Activity, ApiToken
from models_app.tokens.lifecycle import create_token, delete_token
from tests.api import client_of
from tests.builders import a_user

pytestmark = pytest.mark.django_db


def test_token_works_and_only_its_digest_is_kept():
    made, token = create_token(a_user("viewer"), "laptop")
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert client.get("/api/models").status_code == 200
    assert token not in str(ApiToken.objects.values_list())
    assert token.startswith(made.token_key)


@pytest.mark.parametrize("days", [None, 1, 3650])
def test_token_expires(days):
    made, _ = create_token(a_user(), "laptop", days)
    expected = settings.REST_KNOX["TOKEN_TTL"] if days is None else timedelta(days=days)
    assert abs(made.expiry - timezone.now() - expected) < timedelta(minutes=1)


def test_token_is_refused_once_expired():
    _, token = create_token(a_user("viewer"), "laptop", 1)
    ApiToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert client.get("/api/models").status_code == 401


@pytest.mark.parametrize("days", [31, 400])
def test_clock_ahead_destroys_no_token(days):
    """An hour of use with a clock ahead by so many days, which is then set right."""
    user = a_user("viewer")
    made = {name: create_token(user, name, 30)[1] for name in ("one", "two")}
    ahead = timedelta(days=days)
    ApiToken.objects.update(expiry=F("expiry") - ahead)
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {made['one']}")
    assert client.get("/api/models").status_code == 401
    assert all(token.is_expired for token in ApiToken.objects.all())
    ApiToken.objects.update(expiry=F("expiry") + ahead)
    assert client.get("/api/models").status_code == 200
    assert ApiToken.objects.count() == 2


def test_creating_and_deleting_a_token_is_announced(django_capture_on_commit_callbacks):
    chief, user = a_user("admin"), a_user("viewer")
    with django_capture_on_commit_callbacks() as notices:
        made, _ = create_token(user, "laptop", actor=chief)
        delete_token(made, chief)
        delete_token(made, chief)
    assert [event.message for event in Activity.objects.newest()] == [
        "API token laptop of viewer was deleted.",
        "API token laptop was created for viewer.",
    ]
    assert {event.actor for event in Activity.objects.all()} == {chief}
    assert len(notices) == 2


@pytest.mark.parametrize(
    ("name", "days", "field", "code"),
    [
        ("taken", None, "name", "duplicate_token"),
        (" ", None, "name", "wrong_type"),
        ("x" * 101, None, "name", "wrong_type"),
        ("new", 0, "days", "out_of_range"),
        ("new", -5, "days", "out_of_range"),
        ("new", 3651, "days", "out_of_range"),
        ("new", 10**12, "days", "out_of_range"),
    ],
)
def test_token_is_refused(name, days, field, code):
    user = a_user()
    create_token(user, "taken")
    with pytest.raises(Invalid) as refused:
        create_token(user, name, days)
    assert [(p.field, p.code) for p in refused.value.problems] == [(field, code)]
    assert ApiToken.objects.count() == 1


def test_users_may_have_tokens_of_the_same_name():
    create_token(a_user(name="ada"), "laptop")
    assert create_token(a_user(name="bob"), "laptop")


def test_inactive_users_get_no_token():
    with pytest.raises(Invalid, match="not active"):
        create_token(a_user(is_active=False), "laptop")


@pytest.mark.parametrize("path", ["/api/models", "/api/scheduling/queue", "/api"])
def test_restricted_token_is_refused_by_the_api(path):
    _, token = create_token(a_user("admin"), "prometheus", scopes=["metrics"])
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    answer = client.get(path)
    assert answer.status_code == 403
    assert answer.json()["message"] == (
        "This token may only be used for: reading /metrics."
    )


def test_unknown_scope_is_refused():
    with pytest.raises(Invalid) as refused:
        create_token(a_user("viewer"), "laptop", scopes=["everything"])
    assert [problem.field for problem in refused.value.problems] == ["scopes"]
    assert not ApiToken.objects.exists()
