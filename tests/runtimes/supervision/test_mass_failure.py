import pytest

from runtimes.supervision.mass_failure import Brake


@pytest.mark.parametrize(
    ("suspects", "watched", "released"),
    [
        ("", "abc", ""),
        ("a", "a", "a"),
        ("a", "ab", "a"),
        ("ab", "ab", ""),
        ("ab", "abc", ""),
        ("ab", "abcd", "ab"),
        ("abc", "abcd", ""),
    ],
)
def test_most_at_once_are_not_believed(suspects, watched, released):
    assert Brake(10).released(suspects, list(watched), 0.0) == set(released)


def test_those_that_still_look_so_later_are():
    brake = Brake(10)
    assert brake.released("ab", list("abc"), 0.0) == set()
    assert brake.released("abc", list("abc"), 9.0) == set()
    assert brake.released("abc", list("abc"), 10.0) == {"a", "b"}
    assert brake.released("abc", list("abc"), 19.0) == {"a", "b", "c"}


def test_a_second_look_that_finds_them_well_begins_anew():
    brake = Brake(10)
    brake.released("ab", list("ab"), 0.0)
    assert brake.released("", list("ab"), 5.0) == set()
    assert brake.released("ab", list("ab"), 11.0) == set()
