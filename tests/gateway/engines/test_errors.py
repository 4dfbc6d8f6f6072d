import json

import pytest
from django.utils import translation

from gateway.engines.errors import error_from_body, error_from_response
from gateway.errors import openai_error
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
        (
            500,
            {"message": '1 validation error:\n  missing\n\n  File "/root/x.py"'},
            "engine_refused",
            400,
            "1 validation error:\n  missing",
        ),
        (500, {"message": "at 0xdead"}, "engine_failed", 502, ""),
        (401, {"message": "Invalid API Key"}, "engine_failed", 502, ""),
        (404, {"message": "Not Found"}, "engine_refused", 400, "Not Found"),
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


@pytest.mark.parametrize(
    "message",
    [
        "Failed to parse tool call arguments as JSON: unexpected end of input",
        "tools param requires --jinja flag",
        "tool_choice param requires --jinja flag",
        "Unknown reasoning format: nonsense",
        "Cannot use both json_schema and grammar",
        "input (900 tokens) is too large to process. increase the physical batch size",
        "Jinja Exception: Conversation roles must alternate",
        "Value is not callable: null in chat template",
        "Unable to generate parser for this template.",
        "This model does not support Chat Completions API",
    ],
)
def test_500_that_no_retry_can_change_is_400_with_the_engines_message(message):
    content = json.dumps({"error": {"code": 500, "message": message}}).encode()
    seen = error_from_response(a_route(), 500, content)
    assert (seen.status, seen.code) == (400, "engine_refused")
    assert seen.message == message


@pytest.mark.parametrize(
    "message", ["Compute error.", "Invalid input batch.", "std::bad_alloc", ""]
)
def test_500_of_the_engine_itself_may_be_retried(message):
    content = json.dumps({"error": {"code": 500, "message": message}}).encode()
    assert error_from_response(a_route(), 500, content).status == 502


PHRASE = "This model's maximum context length is 512 tokens."


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize(
    ("error", "tokens"),
    [
        (TOO_LONG | {"n_prompt_tokens": 3001, "n_ctx": 512}, "3001"),
        ({"message": f"{PHRASE} However, you requested 3001 tokens (1 in"}, "3001"),
        (
            {"message": f"{PHRASE[:-1]}, however you requested 3001 tokens (1 in"},
            "3001",
        ),
        (
            {"message": f"{PHRASE} However, your prompt contains 3001 input tokens"},
            "3001",
        ),
        (
            {"message": f"{PHRASE} Your prompt contains at least 513 input tokens"},
            "513",
        ),
        ({"message": f"{PHRASE} However, your prompt contains 9000 characters"}, ""),
    ],
)
def test_context_that_is_too_long_has_openais_code_and_phrase(error, tokens, language):
    content = json.dumps({"error": error}).encode()
    seen = error_from_response(a_route(), 400, content)
    assert (seen.status, seen.code) == (400, "context_too_long")
    with translation.override(language):
        body = openai_error(seen)["error"]
    assert body["code"] == "context_length_exceeded"
    assert PHRASE[:-1] in body["message"]
    assert tokens in body["message"]
