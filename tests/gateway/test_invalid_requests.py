import pytest

from gateway.http import MAX_BODY_BYTES
from tests.gateway.client import CHAT, CHAT_BODY, GENERATE, PROMPT, fetch

UNREADABLE = {
    "empty": {"body": b""},
    "cut off": {"body": b"{"},
    "list": {"body": b"[]"},
    "not UTF-8": {"body": b"\xff"},
    "NaN": {"body": b'{"a": NaN}'},
    "deep": {"body": b"[" * 100_000},
    "long number": {"body": b'{"a": ' + b"9" * 5000 + b"}"},
}
TOO_LARGE = {
    "at once": {"body": b"[" + b" " * MAX_BODY_BYTES},
    "in pieces": {"chunks": [b" " * 9_000_000] * 2},
    "announced": {"chunks": [], "headers": [("Content-Length", "10485761")]},
}


@pytest.mark.parametrize("path", [GENERATE, CHAT])
@pytest.mark.parametrize("kind", UNREADABLE)
async def test_unreadable_body_is_rejected(gateway, engine, path, kind):
    response = await fetch(gateway, "POST", path, **UNREADABLE[kind])
    error = response.json if path == GENERATE else response.json["error"]
    assert (response.status, error["code"]) == (400, "parse_error")
    assert engine.requests == []


@pytest.mark.parametrize("path", [GENERATE, CHAT])
@pytest.mark.parametrize("kind", TOO_LARGE)
async def test_large_body_is_rejected(gateway, engine, path, kind):
    response = await fetch(gateway, "POST", path, **TOO_LARGE[kind])
    error = response.json if path == GENERATE else response.json["error"]
    assert (response.status, error["code"]) == (413, "request_too_large")
    assert "10485760" in error["message"]
    assert engine.requests == []


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (GENERATE, b'{"prompt": "a\\ud800"}'),
        (CHAT, b'{"model": "smol", "messages": [{"role": "user"}], "x": "\\ud800"}'),
        (CHAT, b'{"model": "smol", "messages": [{"role": "user"}], "x": 1e999}'),
    ],
)
async def test_values_that_engines_cannot_read_are_rejected(
    gateway, engine, path, content
):
    response = await fetch(gateway, "POST", path, content)
    assert response.status == 400
    assert engine.requests == []


async def test_body_may_come_in_pieces(gateway):
    chunks = [b'{"prom', b'pt": "a', b'"}', b""]
    assert (await fetch(gateway, "POST", GENERATE, chunks=chunks)).status == 200


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "prompt", "prompt_or_messages"),
        ({**PROMPT, "messages": [{"role": "user", "content": "a"}]}, "prompt", None),
        ({**PROMPT, "temperature": 3}, "temperature", "out_of_range"),
        ({**PROMPT, "max_token": 3}, "max_token", "unknown_field"),
    ],
)
async def test_invalid_field_of_generate_is_named(gateway, engine, body, field, code):
    response = await fetch(gateway, "POST", GENERATE, body)
    assert (response.status, response.json["code"]) == (400, "validation_error")
    (error,) = response.json["errors"]
    assert error["field"] == field
    assert error["code"] == (code or "prompt_or_messages")
    assert error["message"] == response.json["message"]
    assert engine.requests == []


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": None}, "model", "missing_key"),
        ({"model": 7}, "model", "wrong_type"),
        ({"messages": []}, "messages", "wrong_type"),
        ({"messages": [{"role": 5}]}, "messages.0.role", "wrong_type"),
        ({"messages": None}, "messages", "missing_key"),
        ({"stream": "yes"}, "stream", "wrong_type"),
        ({"stream_options": 5}, "stream_options", "wrong_type"),
        ({"max_completion_tokens": -2}, "max_completion_tokens", "out_of_range"),
    ],
)
async def test_invalid_field_of_chat_is_named(gateway, engine, change, param, code):
    response = await fetch(gateway, "POST", CHAT, {**CHAT_BODY, **change})
    assert response.status == 400
    error = response.json["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["code"] == code
    assert engine.requests == []
