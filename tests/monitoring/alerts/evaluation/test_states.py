"""Timelines of values under one rule, one per second unless `every` differs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.evaluation.states import (
    OK,
    STALE_S,
    Condition,
    State,
    step,
)

START = 1_700_000_000.0


def above(threshold=80, clear=None, **durations):
    clear = threshold if clear is None else clear
    return Condition(comparison=">", threshold=threshold, clear=clear, **durations)


def below(threshold=10, clear=None, **durations):
    clear = threshold if clear is None else clear
    return Condition(comparison="<", threshold=threshold, clear=clear, **durations)


def run(condition, values, every=1.0, state=OK):
    """(phase, event) of each step, and the last state."""
    steps = []
    for index, value in enumerate(values):
        state, event = step(condition, state, value, START + index * every)
        steps.append((state.phase, event))
    return steps, state


def phases(condition, values, every=1.0):
    """One letter per step: - ok, p pending, F firing, n no data; with the events."""
    steps, _state = run(condition, values, every)
    letters = {"ok": "-", "pending": "p", "firing": "F", "no_data": "n"}
    events = {None: "", "firing": "!", "resolved": "."}
    return " ".join(letters[phase] + events[event] for phase, event in steps)


X = None


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        pytest.param(above(), [70, 80, 81], "- - F!", id="no for: fires at once"),
        pytest.param(above(for_s=2), [81] * 4, "p p F! F", id="for"),
        pytest.param(above(for_s=2), [81, 81, 79, 81, 81, 81], "p p - p p F!",
                     id="for starts again"),
        pytest.param(above(), [81, 82, 80], "F! F -.", id="ends at the threshold"),
        pytest.param(above(clear=75), [81, 78, 76, 75], "F! F F -.",
                     id="hysteresis"),
        pytest.param(above(clear=75), [78, 79, 80], "- - -",
                     id="clear threshold does not begin an alert"),
        pytest.param(above(keep_firing_for_s=2), [81, 70, 70, 70], "F! F F -.",
                     id="keep firing"),
        pytest.param(above(keep_firing_for_s=2), [81, 70, 81, 70, 70, 70],
                     "F! F F F F -.", id="keep firing starts again"),
        pytest.param(above(), [81, X, 81], "F! n F",
                     id="data that come back do not fire twice"),
        pytest.param(above(), [81, X, 70], "F! n -.", id="back and over"),
        pytest.param(above(for_s=5), [81, X, 81], "p n p", id="pending loses its data"),
        pytest.param(above(), [X, X, 70], "n n -", id="never any"),
        pytest.param(below(), [11, 10, 9, 10], "- - F! -.", id="below"),
        pytest.param(below(clear=12), [9, 11, 12], "F! F -.", id="below, hysteresis"),
        pytest.param(Condition(comparison=">=", threshold=3, clear=3), [2, 3, 2],
                     "- F! -.", id="at or above"),
        pytest.param(Condition(comparison="<=", threshold=3, clear=3), [4, 3, 4],
                     "- F! -.", id="at or below"),
    ],
)  # fmt: skip
def test_timeline(condition, values, expected):
    assert phases(condition, values) == expected


def test_alert_without_data_ends_after_a_while():
    steps, state = run(above(), [81, *[None] * 4], every=STALE_S / 2)
    assert steps == [
        ("firing", "firing"),
        ("no_data", None),
        ("no_data", None),
        ("no_data", "resolved"),
        ("no_data", None),
    ]
    assert state.fired_at is None


def test_peak_is_the_worst_value_since_it_began():
    _, state = run(above(for_s=1), [99, 70, 81, 95, 90])
    assert (state.value, state.peak) == (90, 95)
    _, state = run(below(for_s=1), [1, 20, 9, 2, 5])
    assert (state.value, state.peak) == (5, 2)


def test_times_are_those_of_the_phases():
    _, state = run(above(for_s=1, keep_firing_for_s=9), [70, 81, 82, 70])
    assert state == State(
        phase="firing", since=START + 1, fired_at=START + 2, clear_since=START + 3,
        value=70, peak=82,
    )  # fmt: skip


VALUES = st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=60)
CONDITIONS = st.builds(
    lambda up, threshold, band, for_s, keep: Condition(
        comparison=">" if up else "<",
        threshold=threshold,
        clear=threshold - band if up else threshold + band,
        for_s=for_s,
        keep_firing_for_s=keep,
    ),
    st.booleans(), st.integers(20, 80), st.integers(0, 20), st.integers(0, 9),
    st.integers(0, 9),
)  # fmt: skip


@given(CONDITIONS, VALUES)
def test_never_fires_before_for(condition, values):
    steps, _ = run(condition, values)
    held = 0
    for value, (_phase, event) in zip(values, steps, strict=True):
        holds = value is not None and condition.holds(value, firing=False)
        held = held + 1 if holds else 0
        if event == "firing":
            assert held > condition.for_s


@given(CONDITIONS, VALUES)
def test_fires_and_ends_in_turns(condition, values):
    events = [event for _, event in run(condition, values)[0] if event]
    assert events == (["firing", "resolved"] * len(events))[: len(events)]


@given(CONDITIONS, st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_does_not_flap_within_the_band(condition, shares):
    """Between the two thresholds an alert neither begins nor ends."""
    low, high = sorted((condition.threshold, condition.clear))
    band = [low + share * (high - low) for share in shares]
    inside = [v for v in band if low < v < high]
    bad = 100.0 if condition.comparison == ">" else 0.0
    firing, _ = run(condition, [bad] * 10 + inside)
    assert [event for _, event in firing if event] == ["firing"]
    quiet, _ = run(condition, inside)
    assert [event for _, event in quiet if event] == []


@given(CONDITIONS, VALUES, st.integers(0, 60))
def test_state_is_all_there_is(condition, values, cut):
    """A restart at any step changes nothing: steps from a state that was stored."""
    whole, _ = run(condition, values)
    state, steps = OK, []
    for index, value in enumerate(values):
        if index == cut:
            state = State(**{name: getattr(state, name) for name in State.__slots__})
        state, event = step(condition, state, value, START + index)
        steps.append((state.phase, event))
    assert steps == whole
