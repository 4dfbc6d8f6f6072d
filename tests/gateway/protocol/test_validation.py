import pytest

from gateway.protocol.validation import (
    InvalidJsonError,
    dump_json,
    each_message,
    has_role,
    is_text_message,
    missing,
    parse_json,
)

USER = {"role": "user", "content": "Hi"}


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
        (b'{"a": 1e999}', "not finite"),
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
    ],
)
def test_values_that_engines_cannot_read_are_rejected(body, message):
    with pytest.raises(InvalidJsonError, match=message):
        dump_json(body)


def test_dump_json_keeps_order_and_characters():
    assert dump_json({"b": "你", "a": 1.0}) == '{"b":"你","a":1.0}'.encode()
