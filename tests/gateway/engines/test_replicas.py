import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engines.replicas import (
    FORGOTTEN_AFTER_S,
    LONGEST_PAUSE_S,
    Ejections,
    affinity_of,
    choose,
)
from gateway.routes.table import Replica

A, B, C = ALL = [Replica(run_uid=uid, base_url="", api_key="") for uid in "abc"]


@pytest.mark.parametrize(
    ("in_flight", "chosen"),
    [
        ({}, "abcabc"),
        ({"a": 1}, "bcbcbc"),
        ({"a": 2, "b": 2, "c": 1}, "cccccc"),
        ({"a": 5, "b": 5, "c": 5}, "abcabc"),
    ],
)
def test_choice_is_least_in_flight_then_round_robin(in_flight, chosen):
    found = [choose(ALL, in_flight, "", turn).run_uid for turn in range(6)]
    assert "".join(found) == chosen


SESSIONS = [f"session {n}" for n in range(300)]


def test_sessions_stay_and_spread():
    first = {s: choose(ALL, {}, s, 0) for s in SESSIONS}
    assert first == {s: choose(ALL[::-1], {}, s, n) for n, s in enumerate(SESSIONS)}
    assert all(list(first.values()).count(replica) > 60 for replica in ALL)


def test_sessions_of_other_replicas_stay_when_one_ends():
    moved = [s for s in SESSIONS if choose(ALL, {}, s, 0) != choose([A, B], {}, s, 0)]
    assert all(choose(ALL, {}, s, 0) == C for s in moved)


def test_busy_replica_loses_its_session():
    affinity = next(s for s in SESSIONS if choose(ALL, {}, s, 0) == A)
    assert choose(ALL, {"a": 1}, affinity, 0) != A


CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("headers", "body", "affinity"),
    [
        ({b"x-session-id": b"s"}, {"user": "ann"}, "s"),
        ({}, {"user": "ann", "prompt": "Hi"}, "ann"),
        ({}, {"prompt_cache_key": "k", "user": "ann"}, "k"),
        ({}, {"user": 7, "prompt": "Hi"}, "Hi"),
        ({}, {"prompt": "x" * 9999}, "x" * 512),
        ({}, {"messages": [*CHAT, {"role": "user", "content": "?"}]}, "Be brief.\nHi"),
        ({}, {"messages": [{"content": [{"type": "text"}]}, None]}, ""),
        ({}, {"prompt": [1, 2]}, ""),
    ],
)
def test_affinity(headers, body, affinity):
    assert affinity_of(headers, body) == affinity


def uids(ejections, now):
    return "".join(r.run_uid for r in ejections.in_rotation(ALL, now))


def test_replica_that_fails_often_pauses_longer_each_time():
    ejections = Ejections()
    for _ in range(2):
        ejections.record_failure("a", 0)
    assert uids(ejections, 0) == "abc"
    now = 0.0
    for pause in (5, 10, 20, 40, 60, 60):
        ejections.record_failure("a", now)
        assert uids(ejections, now + pause - 0.1) == "bc"
        now += pause
        assert uids(ejections, now) == "abc"


def test_success_ends_a_pause():
    ejections = Ejections()
    for _ in range(5):
        ejections.record_failure("a", 0)
    ejections.record_success("a")
    assert uids(ejections, 0) == "abc"
    ejections.record_failure("a", 0)
    assert uids(ejections, 0) == "abc"


def test_failures_of_long_ago_are_forgotten():
    ejections = Ejections()
    for _ in range(2):
        ejections.record_failure("a", 0)
    ejections.record_failure("b", FORGOTTEN_AFTER_S + 1)
    ejections.record_failure("a", FORGOTTEN_AFTER_S + 1)
    assert uids(ejections, FORGOTTEN_AFTER_S + 1) == "abc"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.floats(0, 9))))
def test_somebody_is_always_in_rotation(events):
    ejections, now = Ejections(), 0.0
    for uid, succeeds, later in events:
        now += later
        if succeeds:
            ejections.record_success(uid)
        else:
            ejections.record_failure(uid, now)
        assert ejections.in_rotation(ALL, now)
    assert ejections.in_rotation(ALL, now + LONGEST_PAUSE_S) == ALL
