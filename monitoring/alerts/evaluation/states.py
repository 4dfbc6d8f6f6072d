"""The state of one series under one rule, step by step. Pure.

ok -> pending (the condition holds) -> firing (it has held for `for`) -> ok. An alert
that fires ends when its value is beyond the clear threshold for `keep_firing_for`. A
series without data is not ok: its alert stays open as no_data until data are back, or
for STALE_S.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Phase = Literal["ok", "pending", "firing", "no_data"]
Event = Literal["firing", "resolved"]

# An alert whose series does not come back is over: its model or GPU is gone.
STALE_S = 900.0
# Stored times are rounded to microseconds; a restart must not cost a step.
ROUNDING_S = 0.001

COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """clear: the clear threshold; the threshold itself where the rule has none."""

    comparison: str
    threshold: float
    clear: float
    for_s: float = 0
    keep_firing_for_s: float = 0

    def holds(self, value: float, *, firing: bool) -> bool:
        limit = self.clear if firing else self.threshold
        return COMPARE[self.comparison](value, limit)

    def worse(self, value: float, other: float | None) -> float:
        """The one further beyond the threshold."""
        if other is None:
            return value
        pick = max if self.comparison in {">", ">="} else min
        return pick(value, other)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Times are seconds since the epoch. since: when the condition began to hold;
    fired_at: None unless it has fired; clear_since, no_data_since: of the present
    phase; value: the last known one; peak: the worst since `since`."""

    phase: Phase = "ok"
    since: float | None = None
    fired_at: float | None = None
    clear_since: float | None = None
    no_data_since: float | None = None
    value: float | None = None
    peak: float | None = None


OK = State()
NO_DATA = State(phase="no_data")


def step(
    condition: Condition, state: State, value: float | None, now: float
) -> tuple[State, Event | None]:
    """value: None where there are no data."""
    if value is None:
        return _without_data(state, now)
    if state.fired_at is not None:
        return _while_firing(condition, state, value, now)
    if not condition.holds(value, firing=False):
        return OK, None
    since = state.since if state.since is not None else now
    peak = condition.worse(value, state.peak if state.since is not None else None)
    state = State(phase="pending", since=since, value=value, peak=peak)
    if not _has_passed(condition.for_s, since, now):
        return state, None
    return replace(state, phase="firing", fired_at=now), "firing"


def _has_passed(seconds: float, since: float, now: float) -> bool:
    return now - since >= seconds - ROUNDING_S


def _without_data(state: State, now: float) -> tuple[State, Event | None]:
    if state.fired_at is None:
        return NO_DATA, None
    since = state.no_data_since if state.no_data_since is not None else now
    if _has_passed(STALE_S, since, now):
        return NO_DATA, "resolved"
    return replace(state, phase="no_data", no_data_since=since), None


def _while_firing(
    condition: Condition, state: State, value: float, now: float
) -> tuple[State, Event | None]:
    peak = condition.worse(value, state.peak)
    state = replace(state, phase="firing", no_data_since=None, value=value, peak=peak)
    if condition.holds(value, firing=True):
        return replace(state, clear_since=None), None
    since = state.clear_since if state.clear_since is not None else now
    if _has_passed(condition.keep_firing_for_s, since, now):
        return OK, "resolved"
    return replace(state, clear_since=since), None
