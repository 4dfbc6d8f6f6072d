import pytest

from common.problems import as_json
from runtimes.frameworks.fields import (
    Boolean,
    Choice,
    Integer,
    Number,
    Object,
    Text,
    unknown_keys,
)

INTEGER = Integer(min=1, max=8)
NUMBER = Number(min=0, max=2)
SHARE = Number(min=0, max=1, min_itself=False)
TEXT = Text(max_bytes=6)
CHOICE = Choice(numbers={"on": 1, "off": 0})


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        (INTEGER, 1, None),
        (INTEGER, 8, None),
        (INTEGER, 0, "out_of_range"),
        (INTEGER, 9, "out_of_range"),
        (INTEGER, 10**400, "out_of_range"),
        (INTEGER, True, "wrong_type"),
        (INTEGER, 2.0, "wrong_type"),
        (INTEGER, "2", "wrong_type"),
        (INTEGER, None, "wrong_type"),
        (NUMBER, 0, None),
        (NUMBER, 2, None),
        (NUMBER, 0.7, None),
        (NUMBER, -0.1, "out_of_range"),
        (NUMBER, 10**400, "out_of_range"),
        (NUMBER, float("nan"), "out_of_range"),
        (NUMBER, float("inf"), "out_of_range"),
        (NUMBER, False, "wrong_type"),
        (NUMBER, "0.7", "wrong_type"),
        (SHARE, 0, "out_of_range"),
        (SHARE, 0.0001, None),
        (SHARE, 1, None),
        (Boolean(), True, None),
        (Boolean(), 1, "wrong_type"),
        (TEXT, "", None),
        (TEXT, "六六", None),
        (TEXT, "六六六", "out_of_range"),
        (TEXT, 5, "wrong_type"),
        (TEXT, "a\0b", "wrong_type"),
        (TEXT, "\ud800", "wrong_type"),
        (CHOICE, "on", None),
        (CHOICE, "ON", "wrong_type"),
        (CHOICE, 1, "wrong_type"),
        (CHOICE, ["on"], "wrong_type"),
        (Object(), {}, None),
        (Object(), [], "wrong_type"),
    ],
)
def test_field_judges_a_value(field, value, code):
    problem = field.problem("key", value)
    assert (problem and problem.code) == code
    assert problem is None or problem.field == "config.key"


def test_problem_names_value_and_what_is_allowed():
    assert INTEGER.problem("n", 9).params == {
        "key": "n", "value": "9", "min": 1, "max": 8,
    }  # fmt: skip
    assert SHARE.problem("p", 0).params["min"] == "> 0"
    assert CHOICE.problem("c", "x").params == {
        "key": "c", "value": '"x"', "expected": "one of on, off",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [("8", '"8"'), (8, "8"), (True, "true"), ([1], "[1]"), (float("nan"), "NaN")],
)
def test_value_is_shown_as_json(value, text):
    assert as_json(value) == text


def test_long_value_is_cut():
    assert len(as_json("x" * 10_000)) == 100


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("n_ctxx", "n_ctx"), ("n-ctx", "n_ctx"), ("Top_P", "top_p"), ("zzz", "")],
)
def test_unknown_key_suggests_the_nearest(key, nearest):
    [problem] = unknown_keys({key: 1, "n_ctx": 2}, ["n_ctx", "top_p"])
    assert problem.code == "unknown_key"
    assert problem.field == f"config.{key}"
    assert problem.params == {
        "key": key, "nearest": nearest, "allowed": ["n_ctx", "top_p"],
    }  # fmt: skip


def test_many_long_unknown_keys_stay_cheap_and_short():
    config = {f"{n}{'x' * 10_000}\ud800": 1 for n in range(1000)}
    problems = list(unknown_keys(config, ["n_ctx"]))
    assert len(problems) == 10
    assert all(len(problem.field.encode()) < 120 for problem in problems)
