import pytest

from common.request_fields.checks import (
    boolean,
    choice,
    integer,
    list_of,
    mapping,
    number,
    of_type,
    sized,
    text,
    without_effect,
)

OBJECT = of_type(dict, "object")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        (integer(0, 5), 5, None),
        (integer(0, 5), 6, ("x", "out_of_range")),
        (integer(0, 5), True, ("x", "wrong_type")),
        (integer(0, 5), 1.0, ("x", "wrong_type")),
        (number(0, 5), 0.5, None),
        (number(0, 5), False, ("x", "wrong_type")),
        (number(0, 5), 5.1, ("x", "out_of_range")),
        (boolean, True, None),
        (boolean, 1, ("x", "wrong_type")),
        (text(3), "你", None),
        (text(3), "你a", ("x", "out_of_range")),
        (text(3), 5, ("x", "wrong_type")),
        (text(3), "\ud800", None),
        (choice("a", "b"), "b", None),
        (choice("a", "b"), "c", ("x", "wrong_type")),
        (choice("a", "b"), ["a"], ("x", "wrong_type")),
        (list_of(boolean, 2), [True, False], None),
        (list_of(boolean, 2), [True, 5], ("x.1", "wrong_type")),
        (list_of(boolean, 2), [True] * 3, ("x", "out_of_range")),
        (list_of(boolean, 2), "ab", ("x", "wrong_type")),
        (mapping(number(0, 1), 1), {"a": 1}, None),
        (mapping(number(0, 1), 1), {"a": 2}, ("x", "out_of_range")),
        (mapping(number(0, 1), 1), {"a": 1, "b": 1}, ("x", "out_of_range")),
        (mapping(number(0, 1), 1), [], ("x", "wrong_type")),
        (sized(OBJECT, 10), {"a": "b"}, None),
        (sized(OBJECT, 10), {"a": "bcd"}, ("x", "out_of_range")),
        (sized(OBJECT, 10), [], ("x", "wrong_type")),
        (sized(OBJECT, 10**6), {"a": nested(100_000)}, ("x", "too_deep")),
        (without_effect(), 0, ("x", "field_without_effect")),
        (without_effect(1, []), [], None),
        (without_effect(1), True, ("x", "field_without_effect")),
    ],
)
def test_check_names_field_and_code(check, value, expected):
    problem = check("x", value)
    assert (problem and (problem.field, problem.code)) == expected
