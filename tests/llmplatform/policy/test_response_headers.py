import pytest

from llmplatform.policy.response_headers import add_headers
from tests.llmplatform.policy.asgi import call, hello


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/api", "no-store"),
        ("/api/models", "no-store"),
        ("/v1/models", "no-store"),
        ("/admin/", "no-cache"),
        ("/apiary", "no-cache"),
    ],
)
async def test_responses_of_the_apis_are_not_stored(path, value):
    response = await call(add_headers(hello), path)
    assert response.headers["cache-control"] == value
