import json

import pytest

from gateway.engines.errors import error_from_body, error_from_response
from tests.gateway.client import a_route

TOO_LONG = {"type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}
TYPE_ERROR = "Field 'top_k': [json.exception.type_error.302] type must be number"
IMAGE = "image input is not supported - hint: you may need to provide the mmproj"


@pytest.mark.parametrize(
    ("status", "error", "code", "expected", "text"),
    [
        (400, TOO_LONG, "context_too_long", 400, ""),
        (
            400,
            {"message": TYPE_ERROR},
            "engine_refused",
            400,
            "Field 'top_k': type must be number",
        ),
        (400, {"message": "x" * 900}, "engine_refused", 400, "x" * 499 + "…"),
        (400, {"message": 5}, "engine_refused", 400, "5"),
        (400, {}, "engine_refused", 400, ""),
        (422, {"message": "bad"}, "engine_refused", 422, "bad"),
        (429, {"message": "slow"}, "engine_refused", 429, "slow"),
        (501, {"message": "no"}, "engine_refused", 400, "no"),
        (
            500,
            {"message": "Failed to parse tools: Expected"},
            "engine_refused",
            400,
            "Failed to parse tools: Expected",
        ),
        (
            500,
            {"message": IMAGE},
            "engine_refused",
            400,
            "image input is not supported",
        ),
        (500, {"message": "at 0xdead"}, "engine_failed", 502, ""),
        (401, {"message": "Invalid API Key"}, "engine_failed", 502, ""),
        (404, {"message": "File Not Found"}, "engine_failed", 502, ""),
        (302, {}, "engine_failed", 502, ""),
        (503, {"message": "Loading model"}, "engine_busy", 503, ""),
    ],
)
def test_engine_error_becomes_a_gateway_error(status, error, code, expected, text):
    content = json.dumps({"error": error}).encode()
    seen = error_from_response(a_route(), status, content)
    assert (seen.code, seen.status, seen.engine_message) == (code, expected, text)
    assert seen.message


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"error": "no"}'])
def test_engine_error_in_another_format_is_mapped_by_status(content):
    assert error_from_response(a_route(), 400, content).code == "engine_refused"
    assert error_from_response(a_route(), 500, content).code == "engine_failed"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": TOO_LONG | {"code": 400}}, "context_too_long"),
        ({"error": {"code": 400, "message": "x"}}, "engine_refused"),
        ({"error": {"code": "x"}}, "engine_failed"),
        ({"error": "x"}, "engine_failed"),
        ({}, "engine_failed"),
    ],
)
def test_engine_error_with_status_200_is_mapped_by_code(body, code):
    assert error_from_body(a_route(), body).code == code
