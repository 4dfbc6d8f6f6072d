"""What each scope allows, in every place that takes tokens."""

import pytest

from models_app.models import ApiToken
from models_app.tokens.lifecycle import create_token
from models_app.tokens.scopes import allows
from monitoring.live.permissions import Credential, allowed_topics, users_of
from tests.api import a_body, client_of, send
from tests.builders import a_user

pytestmark = pytest.mark.django_db

# scopes: GET of the API, POST of the API, websockets, /metrics
TABLE = {
    (): (200, 201, True, 200),
    ("inference",): (403, 403, False, 403),
    ("read",): (200, 403, True, 403),
    ("manage",): (200, 201, True, 403),
    ("metrics",): (403, 403, False, 200),
    ("inference", "read"): (200, 403, True, 403),
    ("inference", "manage", "metrics"): (200, 201, True, 200),
    ("inference", "manage", "metrics", "read"): (200, 201, True, 200),
}
SCOPES = pytest.mark.parametrize("scopes", TABLE, ids="+".join)


def a_client(scopes):
    row, token = create_token(a_user("admin"), "laptop", scopes=scopes)
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return row, client


@SCOPES
def test_api_and_metrics(scopes):
    read, manage, _websockets, metrics = TABLE[scopes]
    _row, client = a_client(scopes)
    assert client.get("/api/models").status_code == read
    assert client.options("/api/models").status_code == read
    assert client.get("/api/schema").status_code == read
    assert send(client, "POST", "/api/models", a_body()).status_code == manage
    assert client.get("/metrics").status_code == metrics


@SCOPES
def test_websockets(scopes):
    row, _client = a_client(scopes)
    credential = Credential(token=row.digest)
    assert (credential in allowed_topics([credential])) is TABLE[scopes][2]
    assert credential in users_of([credential])


def test_refusal_lists_the_scopes():
    answer = a_client(["metrics", "inference"])[1].get("/api/models")
    assert answer.json()["code"] == "permission_denied"
    assert answer.json()["message"] == (
        "This token may only be used for: inference requests, reading /metrics."
    )


def test_restricted_token_of_somebody_without_permission_may_no_more():
    _row, token = create_token(a_user("viewer"), "laptop", scopes=["manage"])
    client = client_of()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert send(client, "POST", "/api/models", a_body()).status_code == 403


def test_scopes_are_kept_once_and_in_order():
    row, _client = a_client(["read", "inference", "read"])
    assert ApiToken.objects.get(pk=row.pk).scopes == ["inference", "read"]


def test_scope_of_a_newer_version_allows_nothing():
    assert not allows(["unheard-of"], "read")
