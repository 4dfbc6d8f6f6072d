import pytest

from common.storable import MAX_DEPTH, has_unstorable, too_deep


def nested(depth: int, value: object = 1) -> object:
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "deep"),
    [
        (1, False),
        ({"a": {"b": [1]}}, False),
        (nested(MAX_DEPTH - 1), False),
        (nested(MAX_DEPTH), True),
        (nested(100_000), True),
        ({"a": nested(MAX_DEPTH)}, True),
    ],
)
def test_too_deep(value, deep):
    assert too_deep(value) == deep


@pytest.mark.parametrize(
    ("value", "unstorable"),
    [
        ("文字 😀", False),
        ({"a": [1, 2.5, None, True, "b"]}, False),
        ("a\0b", True),
        ("\ud83d", True),
        ({"a\0": 1}, True),
        ({"a": [{"b": "\udc00"}]}, True),
        (float("inf"), True),
        ([float("nan")], True),
        (10**400, False),
    ],
)
def test_has_unstorable(value, unstorable):
    assert has_unstorable(value) == unstorable
