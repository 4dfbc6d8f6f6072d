"""When a token was used last, through the management API."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from models_app.models import Activity, ApiToken
from models_app.tokens.last_use import to_minute
from tests.api import client_of
from tests.builders import a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    client = client_of(a_user("operator"))
    ApiToken.objects.update(last_used_at=None)
    return client


def use(client, path="/api/models"):
    before = to_minute(timezone.now())
    status = client.get(path).status_code
    used = ApiToken.objects.get().last_used_at
    return status, used is not None and before <= used <= timezone.now()


@pytest.mark.parametrize(
    ("scopes", "path", "used"),
    [
        ([], "/api/models", (200, True)),
        ([], "/api/models/none", (404, True)),
        (["read"], "/api/models", (200, True)),
        (["inference"], "/api/models", (403, False)),
        (["metrics"], "/metrics", (200, True)),
        (["read"], "/metrics", (403, False)),
    ],
)
def test_use_is_recorded(client, scopes, path, used):
    ApiToken.objects.update(scopes=scopes)
    assert use(client, path) == used


def test_expired_token_is_not_used(client):
    ApiToken.objects.update(expiry=timezone.now() - timedelta(days=1))
    assert use(client) == (401, False)


@pytest.mark.parametrize(
    ("minutes_ago", "writes"), [(None, 1), (-2, 0), (1, 1), (9999, 1)]
)
def test_it_is_written_once_a_minute(client, minutes_ago, writes):
    """minutes_ago: when the token was used before; -2 by a clock that was ahead."""
    if minutes_ago is not None:
        at = to_minute(timezone.now()) - timedelta(minutes=minutes_ago)
        ApiToken.objects.update(last_used_at=at)
    written = []

    def count(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            written.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        client.get("/api/models")
    assert len(written) == writes


@pytest.mark.parametrize("error", ["database is locked", "read-only transaction"])
def test_request_succeeds_if_it_cannot_be_written(client, error):
    def refuse(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            raise OperationalError(error)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        assert use(client) == (200, False)


def test_nothing_is_announced_or_recorded(client, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks() as notices:
        assert use(client) == (200, True)
    assert not notices
    assert not Activity.objects.exists()


def test_it_is_shown(client):
    client.get("/api/tokens")
    [shown] = client.get("/api/tokens").json()["results"]
    assert shown["last_used_at"].endswith(":00Z")
