import pytest

from tests.api import client_of
from tests.builders import a_model, a_user

pytestmark = pytest.mark.django_db

READ = (
    "/api", "/api/models", "/api/models/smol", "/api/models/smol/status",
    "/api/models/smol/logs", "/api/models/smol/activity",
)  # fmt: skip


@pytest.mark.parametrize("path", READ)
def test_slash_at_the_end_is_optional(path):
    a_model()
    client = client_of(a_user("viewer"))
    without, with_slash = client.get(path), client.get(f"{path}/")
    assert (without.status_code, with_slash.status_code) == (200, 200)
    assert set(without.json()) == set(with_slash.json())


@pytest.mark.parametrize("slash", ["", "/"])
def test_slash_at_the_end_is_optional_when_writing(slash):
    a_model()
    client = client_of(a_user("admin"))
    answers = [
        client.post(f"/api/models{slash}", {}, format="json"),
        client.patch(f"/api/models/smol{slash}", {}, format="json"),
        client.post(f"/api/models/smol/start{slash}"),
        client.post(f"/api/models/smol/stop{slash}"),
        client.delete(f"/api/models/smol{slash}"),
    ]
    assert [answer.status_code for answer in answers] == [400, 200, 202, 202, 204]


def test_root_leads_to_the_lists():
    root = client_of(a_user("viewer")).get("/api").json()
    assert root == {
        "alert-deliveries": "http://testserver/api/alert-deliveries",
        "notification-channels": "http://testserver/api/notification-channels",
        "alert-rules": "http://testserver/api/alert-rules",
        "alerts": "http://testserver/api/alerts",
        "library": "http://testserver/api/library",
        "library/downloads": "http://testserver/api/library/downloads",
        "limits": "http://testserver/api/limits",
        "model-aliases": "http://testserver/api/model-aliases",
        "models": "http://testserver/api/models",
        "monitoring/exports": "http://testserver/api/monitoring/exports",
        "tokens": "http://testserver/api/tokens",
        "usage": "http://testserver/api/usage",
    }
