import pytest

from monitoring.collectors.counters import Increments


@pytest.mark.parametrize(
    ("readings", "increments"),
    [
        ([(5, 1)], [None]),
        ([(5, 1), (5, 1), (8, 1)], [None, 0, 3]),
        ([(5, 1), (2, 1), (3, 1)], [None, 2, 1]),
        # restarted, and already higher than before
        ([(5, 1), (9, 2)], [None, 9]),
        ([(5, None), (0, None), (4, None)], [None, 0, 4]),
    ],
)
def test_increments_of_a_counter(readings, increments):
    counter = Increments()
    assert [
        counter.since_last("a", raw, process) for raw, process in readings
    ] == increments


def test_keys_are_counted_separately_and_dropped():
    counter = Increments()
    counter.since_last("a", 10)
    counter.since_last("b", 1)
    assert (counter.since_last("a", 12), counter.since_last("b", 2)) == (2, 1)
    counter.retain({"b"})
    assert (counter.since_last("a", 15), counter.since_last("b", 4)) == (None, 2)
