import json

import pytest
from django.core.exceptions import DisallowedHost
from django.test import Client, RequestFactory

from llmplatform.errors import bad_request, server_error


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/models", "application/json"),
        ("/api", "application/json"),
        ("/admin/", "text/html; charset=utf-8"),
    ],
)
@pytest.mark.parametrize(
    ("status", "code"), [(400, "bad_request"), (500, "internal_error")]
)
def test_error_outside_of_views_is_json_under_api(path, kind, status, code):
    request = RequestFactory().get(path)
    if status == 400:
        answer = bad_request(request, DisallowedHost("evil"))
    else:
        answer = server_error(request)
    assert (answer.status_code, answer["Content-Type"]) == (status, kind)
    if kind == "application/json":
        assert json.loads(answer.content)["code"] == code


def test_foreign_host_is_refused_in_json():
    answer = Client().get("/api/models", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "evil" not in answer.content.decode()


def test_a_host_that_is_not_ours_costs_a_line_of_the_log(caplog):
    Client().get("/api/models", headers={"Host": "evil.example"})
    refused = [r for r in caplog.records if r.name.endswith("DisallowedHost")]
    assert [(r.levelname, r.exc_info) for r in refused] == [("ERROR", None)]
