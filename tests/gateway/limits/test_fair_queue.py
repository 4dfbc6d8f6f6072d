from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.fair_queue import FairQueue

WEIGHTS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5), min_size=2)


@given(WEIGHTS)
def test_share_of_a_flow_that_always_waits_is_its_weight(weights):
    queue = FairQueue()
    rounds = 40
    for flow, weight in weights.items():
        for number in range(rounds * weight):
            queue.push((flow, number), flow, priority=5, weight=weight)
    total = sum(weights.values())
    served = Counter()
    for count in range(1, rounds * total + 1):
        served[queue.pop()[0]] += 1
        for flow, weight in weights.items():
            assert abs(served[flow] - count * weight / total) <= len(weights) + weight
    assert queue.pop() is None


@given(st.lists(st.tuples(st.integers(1, 10), st.sampled_from("ab")), max_size=30))
def test_higher_priority_is_served_first_and_a_flow_in_its_order(pushed):
    queue = FairQueue()
    for number, (priority, flow) in enumerate(pushed):
        queue.push((priority, flow, number), flow, priority=priority, weight=1)
    served = [queue.pop() for _ in pushed]
    assert [each[0] for each in served] == sorted((p for p, _ in pushed), reverse=True)
    for key in {each[:2] for each in served}:
        numbers = [number for *rest, number in served if tuple(rest) == key]
        assert numbers == sorted(numbers)


@given(st.lists(st.integers(0, 29)))
def test_item_that_left_is_not_served(left):
    queue = FairQueue()
    for number in range(30):
        queue.push(number, number % 3, priority=5, weight=1)
    for number in left:
        queue.remove(number)
    assert len(queue) == 30 - len(set(left))
    served = []
    while (item := queue.pop()) is not None:
        served.append(item)
    assert sorted(served) == sorted(set(range(30)) - set(left))


def test_flow_that_was_idle_gains_nothing_by_it():
    queue = FairQueue()
    for number in range(10):
        queue.push(("a", number), "a", priority=5, weight=1)
    for _ in range(5):
        queue.pop()
    for number in range(10):
        queue.push(("b", number), "b", priority=5, weight=1)
    assert Counter(queue.pop()[0] for _ in range(8)) == {"a": 4, "b": 4}
