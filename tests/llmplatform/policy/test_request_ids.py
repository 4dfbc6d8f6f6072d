import json

import pytest

from llmplatform.asgi import application
from llmplatform.policy.request_ids import identify
from tests.llmplatform.policy.asgi import call, hello


@pytest.mark.parametrize("given", ["abc", "a-b_c.d", "x" * 128])
async def test_well_formed_id_of_the_client_is_kept(given):
    response = await call(identify(hello), headers=[("X-Request-Id", given)])
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "é", "x" * 129, "a\nb", "<script>"])
async def test_other_ids_are_replaced(given):
    response = await call(identify(hello), headers=[("X-Request-Id", given)])
    assert len(response.headers["x-request-id"]) == 32


@pytest.mark.parametrize("path", ["/api/nothing", "/v1/nothing"])
async def test_error_body_names_the_request(path):
    sent = [("X-Request-Id", "mine"), ("Host", "x.localhost")]
    response = await call(application, path, headers=sent)
    body = json.loads(response.body)
    assert response.headers["x-request-id"] == "mine"
    assert body.get("error", body)["request_id"] == "mine"
