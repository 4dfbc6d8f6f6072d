import pytest

from common.problems import as_json, shorten, unknown_fields


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("8", '"8"'),
        (8, "8"),
        ("é", '"é"'),
        ("\ud800", '"?"'),
        (object, "\"<class 'object'>\""),
    ],
)
def test_as_json(value, text):
    assert as_json(value) == text


def test_long_values_are_cut():
    assert shorten("x" * 200) == "x" * 99 + "…"
    assert len(as_json(list(range(1000)))) == 100


def test_unknown_fields_name_the_nearest():
    [problem] = unknown_fields(["name", "descriptoin"], ["name", "description"])
    assert (problem.field, problem.params["nearest"]) == ("descriptoin", "description")


def test_unknown_fields_are_reported_up_to_a_limit():
    names = [f"field-{number}" for number in range(100_000)]
    assert len(list(unknown_fields(names, ["name"]))) == 10
