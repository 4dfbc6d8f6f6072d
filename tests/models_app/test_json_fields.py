import pytest
from rest_framework.test import APIClient

from tests.builders import a_model, a_user

pytestmark = pytest.mark.django_db

ALIAS = {"name": "any", "targets": [{"model": "smol"}]}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (
            "/api/model-aliases",
            {**ALIAS, "mode": "random"},
            'mode: "random" is not allowed. Allowed values: weighted, fallback.',
        ),
        (
            "/api/model-aliases",
            {**ALIAS, "mode": ["weighted"]},
            'mode: ["weighted"] is not allowed. Allowed values: weighted, fallback.',
        ),
        (
            "/api/tokens",
            {"name": "laptop", "scopes": ["use"]},
            'scopes.0: "use" is not allowed. Allowed values: inference, read,',
        ),
        ("/api/models", {"placement": "x" * 10_000}, "xx… is not allowed."),
    ],
)
def test_choice_that_is_refused_is_shown_with_those_allowed(path, body, message):
    a_model("smol")
    client = APIClient()
    client.force_login(a_user("operator"))
    answer = client.post(path, body, format="json").json()
    found = (error for error in answer["errors"] if error["code"] == "invalid_choice")
    assert message in f"{(first := next(found))['field']}: {first['message']}"
