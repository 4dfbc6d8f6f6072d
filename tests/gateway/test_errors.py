import pytest
from django.utils import translation

from common.problems import out_of_range, wrong_type
from gateway.errors import (
    GatewayError,
    engine_failed,
    model_not_found,
    not_serving,
    openai_error,
    platform_error,
    validation_error,
)
from gateway.messages import REASONS, preferred_language
from tests.gateway.client import a_route

TOO_HOT = out_of_range("temperature", 3, 0, 2)


def test_platform_error_lists_every_problem():
    assert platform_error(
        validation_error(TOO_HOT, wrong_type("seed", "x", "integer"))
    ) == {
        "code": "validation_error",
        "message": "temperature must be between 0 and 2, not 3.",
        "errors": [
            {
                "code": "out_of_range",
                "field": "temperature",
                "message": "temperature must be between 0 and 2, not 3.",
                "params": {"key": "temperature", "value": "3", "min": 0, "max": 2},
            },
            {
                "code": "wrong_type",
                "field": "seed",
                "message": 'seed must be an integer, not "x".',
                "params": {"key": "seed", "value": '"x"', "expected": "integer"},
            },
        ],
    }


def test_platform_error_has_status_and_allowed_operations():
    stopped = a_route(status="stopped", retry_after_s=None)
    assert platform_error(not_serving(stopped)) == {
        "code": "model_not_running",
        "message": (
            "Model smol accepts no requests in the status “Not started”."
            " Allowed operations: Start, Rename, Delete."
        ),
        "errors": [],
        "status": "stopped",
        "allowed": ["start", "rename", "delete"],
    }


@pytest.mark.parametrize(
    ("error", "kind", "param", "code"),
    [
        (
            validation_error(TOO_HOT),
            "invalid_request_error",
            "temperature",
            "out_of_range",
        ),
        (
            GatewayError(401, "not_authenticated"),
            "authentication_error",
            None,
            "invalid_api_key",
        ),
        (
            GatewayError(403, "permission_denied", {"user": "ann"}),
            "permission_error",
            None,
            "permission_denied",
        ),
        (model_not_found("x"), "invalid_request_error", None, "model_not_found"),
        (engine_failed(a_route()), "server_error", None, "engine_failed"),
        (
            GatewayError(429, "engine_refused", engine_message="slow"),
            "rate_limit_error",
            None,
            "engine_refused",
        ),
    ],
)
def test_openai_error_has_type_and_code(error, kind, param, code):
    body = openai_error(error)["error"]
    assert (body["type"], body["param"], body["code"]) == (kind, param, code)
    assert body["message"] == error.message
    assert list(body) == ["message", "type", "param", "code"]


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (GatewayError(401, "x"), [(b"www-authenticate", b"Bearer")]),
        (GatewayError(503, "x", retry_after_s=5), [(b"retry-after", b"5")]),
        (
            GatewayError(405, "x", extra_headers=[(b"allow", b"GET")]),
            [(b"allow", b"GET")],
        ),
        (GatewayError(404, "x"), []),
    ],
)
def test_headers_match_the_status(error, headers):
    assert error.headers == headers


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("zh-CN,zh;q=0.9", "zh-hans"),
        ("zh", "zh-hans"),
        ("EN-us", "en"),
        ("fr, de;q=0.5", "en"),
        ("fr, zh-Hans;q=0.5", "zh-hans"),
        (";;;,q=x\x00", "en"),
    ],
)
def test_language_is_the_first_supported(accepted, language):
    assert preferred_language(accepted) == language


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("code", [reason.code for reason in REASONS])
def test_every_message_shows_its_parameters(code, language):
    params = dict.fromkeys(
        ("user", "model", "value", "max", "seconds", "status", "detail"), "VALUE"
    )
    error = GatewayError(400, code, {**params, "allowed": ["A", "B"]})
    with translation.override(language):
        assert "%(" not in error.message
