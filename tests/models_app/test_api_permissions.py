import pytest

from models_app.models import ServedModel
from tests.api import a_body, client_of, send
from tests.builders import a_model, a_user

pytestmark = pytest.mark.django_db

ROLES = ("viewer", "operator", "admin", "nobody", "anonymous")
NOBODY = "0" * 32
VERBS = {
    ("GET", "/api"): (200, 200, 200, 403, 401),
    ("GET", "/api/models"): (200, 200, 200, 403, 401),
    ("OPTIONS", "/api/models"): (200, 200, 200, 403, 401),
    ("POST", "/api/models"): (403, 201, 201, 403, 401),
    ("POST", "/api/models/estimate"): (403, 200, 200, 403, 401),
    ("POST", "/api/models/preflight"): (403, 200, 200, 403, 401),
    ("GET", "/api/models/smol"): (200, 200, 200, 403, 401),
    ("PUT", "/api/models/smol"): (403, 200, 200, 403, 401),
    ("PATCH", "/api/models/smol"): (403, 200, 200, 403, 401),
    ("DELETE", "/api/models/smol"): (403, 403, 204, 403, 401),
    ("POST", "/api/models/smol/start"): (403, 202, 202, 403, 401),
    ("POST", "/api/models/busy/stop"): (403, 202, 202, 403, 401),
    ("POST", "/api/models/busy/restart"): (403, 202, 202, 403, 401),
    ("POST", "/api/models/smol/approve"): (403, 403, 409, 403, 401),
    ("GET", "/api/models/smol/status"): (200, 200, 200, 403, 401),
    ("GET", "/api/models/smol/logs"): (200, 200, 200, 403, 401),
    ("GET", "/api/models/smol/activity"): (200, 200, 200, 403, 401),
    ("GET", "/api/scheduling/queue"): (200, 200, 200, 403, 401),
    ("GET", "/api/scheduling/resources"): (200, 200, 200, 403, 401),
    ("GET", "/api/scheduling/decisions"): (200, 200, 200, 403, 401),
    ("POST", "/api/scheduling/preview"): (403, 200, 200, 403, 401),
    ("GET", "/api/monitoring/metrics"): (200, 200, 200, 403, 401),
    ("GET", "/api/monitoring/series"): (200, 200, 200, 403, 401),
    ("GET", "/api/monitoring/export?format=csv"): (200, 200, 200, 403, 401),
    ("GET", "/api/monitoring/exports"): (200, 200, 200, 403, 401),
    ("POST", "/api/monitoring/exports?format=csv"): (202, 202, 202, 403, 401),
    ("GET", "/api/system/status"): (200, 200, 200, 403, 401),
    ("GET", "/api/system/gpu"): (200, 200, 200, 403, 401),
    ("GET", "/api/alerts"): (200, 200, 200, 403, 401),
    ("GET", "/api/alerts/unread"): (200, 200, 200, 403, 401),
    ("POST", "/api/alerts/mark-read"): (204, 204, 204, 403, 401),
    ("GET", "/api/alerts/0"): (404, 404, 404, 403, 401),
    ("POST", "/api/alerts/0/acknowledge"): (403, 404, 404, 403, 401),
    ("POST", "/api/alerts/0/silence"): (403, 404, 404, 403, 401),
    ("POST", "/api/alerts/0/unsilence"): (403, 404, 404, 403, 401),
    ("GET", "/api/alert-rules"): (200, 200, 200, 403, 401),
    ("POST", "/api/alert-rules"): (403, 403, 400, 403, 401),
    ("POST", "/api/alert-rules/backtest"): (403, 403, 400, 403, 401),
    ("GET", "/api/alert-rules/0"): (404, 404, 404, 403, 401),
    ("PUT", "/api/alert-rules/0"): (403, 403, 404, 403, 401),
    ("PATCH", "/api/alert-rules/0"): (403, 403, 404, 403, 401),
    ("DELETE", "/api/alert-rules/0"): (403, 403, 404, 403, 401),
    ("GET", "/api/notification-channels"): (403, 403, 200, 403, 401),
    ("POST", "/api/notification-channels"): (403, 403, 400, 403, 401),
    ("GET", "/api/notification-channels/0"): (403, 403, 404, 403, 401),
    ("PUT", "/api/notification-channels/0"): (403, 403, 404, 403, 401),
    ("PATCH", "/api/notification-channels/0"): (403, 403, 404, 403, 401),
    ("DELETE", "/api/notification-channels/0"): (403, 403, 404, 403, 401),
    ("POST", "/api/notification-channels/0/test"): (403, 403, 404, 403, 401),
    ("POST", "/api/notification-channels/0/rotate-secret"): (403, 403, 404, 403, 401),
    ("GET", "/api/alert-deliveries"): (403, 403, 200, 403, 401),
    ("GET", "/api/alert-deliveries/0"): (403, 403, 404, 403, 401),
    ("POST", "/api/alert-deliveries/0/retry"): (403, 403, 404, 403, 401),
    ("GET", "/api/model-aliases"): (200, 200, 200, 403, 401),
    ("OPTIONS", "/api/model-aliases"): (200, 200, 200, 403, 401),
    ("POST", "/api/model-aliases"): (403, 400, 400, 403, 401),
    ("GET", "/api/model-aliases/0"): (404, 404, 404, 403, 401),
    ("PUT", "/api/model-aliases/0"): (403, 404, 404, 403, 401),
    ("PATCH", "/api/model-aliases/0"): (403, 404, 404, 403, 401),
    ("DELETE", "/api/model-aliases/0"): (403, 404, 404, 403, 401),
    ("GET", "/api/limits"): (403, 403, 200, 403, 401),
    ("POST", "/api/limits"): (403, 403, 400, 403, 401),
    ("GET", "/api/limits/0"): (403, 403, 404, 403, 401),
    ("PUT", "/api/limits/0"): (403, 403, 404, 403, 401),
    ("PATCH", "/api/limits/0"): (403, 403, 404, 403, 401),
    ("DELETE", "/api/limits/0"): (403, 403, 404, 403, 401),
    ("GET", "/metrics"): (200, 200, 200, 403, 401),
    ("GET", "/api/library/downloads"): (200, 200, 200, 403, 401),
    ("POST", "/api/library/downloads"): (403, 400, 400, 403, 401),
    ("POST", f"/api/library/downloads/{NOBODY}/cancel"): (403, 404, 404, 403, 401),
    ("DELETE", f"/api/library/downloads/{NOBODY}"): (403, 404, 404, 403, 401),
    ("GET", "/api/library"): (200, 200, 200, 403, 401),
    ("GET", "/api/library/scan"): (200, 200, 200, 403, 401),
    ("POST", "/api/library/scan"): (403, 200, 200, 403, 401),
    ("GET", "/api/tokens"): (200, 200, 200, 200, 401),
    ("POST", "/api/tokens"): (403, 400, 400, 403, 401),
    ("DELETE", "/api/tokens/none"): (404, 404, 404, 404, 401),
    ("GET", "/api/usage"): (200, 200, 200, 200, 401),
    ("GET", "/api/usage/export?format=csv"): (200, 200, 200, 200, 401),
    ("GET", "/api/models/none"): (404, 404, 404, 403, 401),
    ("POST", "/api/models/none/start"): (403, 404, 404, 403, 401),
}
TABLE = [
    (role, *verb, status)
    for verb, row in VERBS.items()
    for role, status in zip(ROLES, row, strict=True)
]


@pytest.mark.parametrize(("role", "method", "path", "status"), TABLE)
def test_role_may(role, method, path, status):
    a_model()
    a_model("busy", status="error", desired_state="running")
    user = None
    if role != "anonymous":
        user = a_user("" if role == "nobody" else role)
    names = {"POST": "new", "PUT": "smol"}
    body = a_body(names.get(method, "smol")) if method in names else {}
    answer = send(client_of(user), method, path, body)
    answer.close()
    assert answer.status_code == status
    if status == 401:
        assert answer["WWW-Authenticate"] == "Bearer"
        assert answer.json()["code"] == "not_authenticated"
    if status == 403:
        assert answer.json()["code"] == "permission_denied"
        assert ServedModel.objects.filter(status="stopped").count() == 1


def test_superuser_may_everything():
    a_model()
    client = client_of(a_user(is_superuser=True))
    assert client.delete("/api/models/smol").status_code == 204
