import pytest

from gateway.protocol.validation import (
    SAMPLING,
    InvalidJsonError,
    dump_json,
    each_message,
    has_role,
    is_text_message,
    missing,
    parse_json,
    validate,
)

USER = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    "field",
    [
        {},
        {"max_tokens": 1, "temperature": 0, "top_p": 1, "stream": False, "seed": -1},
        {"temperature": 2, "top_p": 0.0, "seed": 2**63 - 1},
        {"temperature": 1.5, "max_tokens": 2**31 - 1},
        {"stop": "."},
        {"stop": ["."] * 16},
        dict.fromkeys(SAMPLING),
    ],
    ids=str,
)
def test_valid_sampling_is_accepted(field):
    assert list(validate(field, SAMPLING)) == []


@pytest.mark.parametrize(
    ("field", "value", "code", "params"),
    [
        ("max_tokens", 0, "out_of_range", {"min": 1, "max": 2**31 - 1, "value": "0"}),
        ("max_tokens", 2**31, "out_of_range", {"max": 2**31 - 1}),
        ("max_tokens", 1.5, "wrong_type", {"expected": "integer", "value": "1.5"}),
        ("max_tokens", "5", "wrong_type", {"value": '"5"'}),
        ("max_tokens", True, "wrong_type", {"value": "true"}),
        ("temperature", -0.1, "out_of_range", {"min": 0, "max": 2}),
        ("temperature", 2.01, "out_of_range", {"value": "2.01"}),
        ("temperature", "warm", "wrong_type", {"expected": "number"}),
        ("temperature", False, "wrong_type", {}),
        ("top_p", 1.1, "out_of_range", {"min": 0, "max": 1}),
        ("top_p", [], "wrong_type", {"value": "[]"}),
        ("seed", 1.0, "wrong_type", {"expected": "integer"}),
        ("seed", 2**63, "out_of_range", {"min": -(2**63)}),
        ("stream", 1, "wrong_type", {"expected": "true or false"}),
        ("stream", "true", "wrong_type", {}),
        ("stop", "", "wrong_type", {}),
        ("stop", [], "wrong_type", {}),
        ("stop", [""], "wrong_type", {}),
        ("stop", ["a", 5], "wrong_type", {}),
        ("stop", ["a"] * 17, "wrong_type", {}),
        ("stop", {}, "wrong_type", {"value": "{}"}),
    ],
)
def test_invalid_sampling_is_reported(field, value, code, params):
    (problem,) = validate({field: value}, SAMPLING)
    assert (problem.field, problem.code) == (field, code)
    assert params.items() <= problem.params.items()


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ("Hi", "messages"),
        ([], "messages"),
        ({}, "messages"),
        (["Hi"], "messages.0"),
        ([USER, {}], "messages.1.role"),
        ([{"role": 5, "content": "Hi"}], "messages.0.role"),
        ([USER, {"role": "robot", "content": "Hi"}], "messages.1.role"),
        ([{"role": "user"}], "messages.0.content"),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages.0.content"),
        ([{**USER, "nme": "x"}], "messages.0.nme"),
    ],
)
def test_invalid_message_is_reported(messages, field):
    problem = each_message(is_text_message)("messages", messages)
    assert problem.field == field


@pytest.mark.parametrize("role", ["system", "user", "assistant", "tool"])
def test_messages_of_every_role_are_accepted(role):
    messages = [{"role": role, "content": ""}] * 2
    assert each_message(is_text_message)("messages", messages) is None


@pytest.mark.parametrize(
    "message",
    [USER, {"role": "x"}, {"role": "user", "content": [{"type": "text", "text": "a"}]}],
)
def test_other_fields_of_a_message_pass(message):
    assert each_message(has_role)("messages", [message]) is None


def test_missing_reports_absent_and_null():
    assert [p.field for p in missing({"a": None, "b": 0}, ["a", "b", "c"])] == [
        "a",
        "c",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1, column 1"),
        (b'{"secret":\n x}', "line 2, column 2"),
        (b'{"secret": "\xff"}', "byte 12"),
        (b"[" * 100_000, "deep"),
        (b"NaN", "not finite"),
        (b"1" * 5000, "digits"),
        (b'"secret"', "single value"),
    ],
)
def test_invalid_json_is_reported_without_quoting_it(content, message):
    with pytest.raises(InvalidJsonError, match=message) as caught:
        parse_json(content)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"a": "\ud800"}, "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        ({"a": float("inf")}, "finite"),
    ],
)
def test_values_that_engines_cannot_read_are_rejected(body, message):
    with pytest.raises(InvalidJsonError, match=message):
        dump_json(body)


def test_dump_json_keeps_order_and_characters():
    assert dump_json({"b": "你", "a": 1.0}) == '{"b": "你", "a": 1.0}'.encode()
