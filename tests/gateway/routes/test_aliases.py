from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routes.aliases import candidates, status_of
from gateway.routes.table import Replica
from tests.gateway.client import a_route, an_alias

REPLICA = Replica(run_uid="a", base_url="", api_key="")
SESSIONS = [f"session {n}" for n in range(2000)]


def routes(*states):
    """Named a, b, c ..: "up", or seconds until ready, or None for stopped."""
    return [
        a_route(name, REPLICA, model_id=number)
        if state == "up"
        else a_route(name, status="starting", retry_after_s=state, model_id=number)
        for number, (name, state) in enumerate(zip("abcd", states, strict=False), 1)
    ]


def names(*arguments, **options):
    return "".join(route.name for route in candidates(*arguments, **options))


@pytest.mark.parametrize(
    ("states", "tried"),
    [
        (("up", "up", "up"), "abc"),
        ((5, "up", "up"), "bc"),
        (("up", None, "up"), "ac"),
        ((None, None, "up"), "c"),
        ((10, 5, None), "b"),
        ((None, 10, 5), "c"),
        ((None, None), "a"),
        ((), ""),
    ],
)
@pytest.mark.parametrize("mode", ["fallback", "weighted"])
def test_running_models_are_tried(mode, states, tried):
    found = names(an_alias("any", *routes(*states), mode=mode), "")
    assert found == tried if mode == "fallback" else sorted(found) == sorted(tried)


def test_running_without_a_replica_is_not_running():
    bare, full = a_route("a", model_id=1), a_route("b", REPLICA, model_id=2)
    assert names(an_alias("any", bare, full), "") == "b"


def weighted(*weights):
    targets = zip(routes(*["up"] * len(weights)), weights, strict=True)
    return an_alias("any", *targets, mode="weighted")


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (90, 10), (1, 2, 5), (1, 1000)])
@pytest.mark.parametrize("sessions", [SESSIONS, [""] * 2000], ids=["sessions", "none"])
def test_each_model_serves_its_share(sessions, weights):
    alias = weighted(*weights)
    served = Counter(names(alias, session)[0] for session in sessions)
    for name, weight in zip("abc", weights, strict=False):
        share = weight / sum(weights)
        assert served[name] / len(sessions) == pytest.approx(share, abs=0.06)


def test_session_stays_with_its_model_whatever_the_order_of_targets():
    alias = weighted(1, 2, 3)
    other = an_alias("other", *alias.targets[::-1], mode="weighted")
    assert all(names(alias, each) == names(other, each) for each in SESSIONS)


def test_only_sessions_of_a_model_that_stopped_move():
    alias = weighted(1, 2, 3)
    fewer = an_alias("any", *alias.targets[:2], mode="weighted")
    pairs = [(names(alias, each), names(fewer, each)) for each in SESSIONS]
    assert all(new == old.replace("c", "") for old, new in pairs)


@given(
    session=st.text(max_size=20),
    draw=st.floats(0, 1, exclude_max=True),
    weights=st.lists(st.integers(1, 1000), min_size=1, max_size=4),
)
def test_every_model_is_tried_once(session, draw, weights):
    found = names(weighted(*weights), session, draw=lambda: draw)
    assert sorted(found) == sorted("abcd"[: len(weights)])


@pytest.mark.parametrize(
    ("states", "status"),
    [((5, "up"), "running"), ((5,), "starting"), ((), "stopped")],
)
def test_status_is_that_of_the_model_which_would_serve(states, status):
    assert status_of(an_alias("any", *routes(*states))) == status
