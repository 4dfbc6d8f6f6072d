import pytest

from monitoring.collectors.counters import Increments


@pytest.mark.parametrize(
    ("looks", "increments"),
    [
        ([(5, 1)], [None]),
        ([(5, 1), (5, 1), (8, 1)], [None, 0, 3]),
        ([(5, 1), (2, 1), (3, 1)], [None, 2, 1]),
        # a restart that had counted further than before already
        ([(5, 1), (9, 2)], [None, 9]),
        ([(5, None), (0, None), (4, None)], [None, 0, 4]),
    ],
)
def test_increments_of_a_counter(looks, increments):
    counted = Increments()
    assert [counted.of("a", raw, process) for raw, process in looks] == increments


def test_keys_are_counted_apart_and_forgotten():
    counted = Increments()
    counted.of("a", 10)
    counted.of("b", 1)
    assert (counted.of("a", 12), counted.of("b", 2)) == (2, 1)
    counted.forget_all_but({"b"})
    assert (counted.of("a", 15), counted.of("b", 4)) == (None, 2)
