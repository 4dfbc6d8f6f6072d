"""After a run ended: start again, when, or not at all. Pure.

Back-off as in kubelet: 10 s doubling to 300 s, forgotten after 10 minutes of service.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

ASKED_FOR = frozenset(
    {"stopped", "restarted", "scaled_down", "preempted", "gpu_drained"}
)
NOT_THE_ENGINES_FAULT = frozenset({"node_rebooted"})
NEVER_RETRIED = frozenset({"bad_config", "config_refused", "model_file_missing"})
# Another port is drawn; a lost GPU is given to nobody.
RETRIED_AT_ONCE = frozenset({"port_in_use", "gpu_lost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """ended: seconds since boot, None if it was another boot. served_s: time ready."""

    code: str
    params: dict[str, object] = field(default_factory=dict)
    ended: float | None
    served_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    first_s: float = 10
    longest_s: float = 300
    stable_s: float = 600
    max_attempts: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """start now, or why not: a message code with its parameters."""

    start: bool
    code: str = ""
    params: dict[str, object] = field(default_factory=dict)


START = Verdict(start=True)


def assess(history: Sequence[EndedRun], back_off: BackOff, now: float) -> Verdict:
    """history: ended runs of one replica since it was last asked to start, newest
    first. now: seconds since boot."""
    failures = _failures_in_a_row(history, back_off)
    if failures == 0:
        return START
    last = history[0]
    cause: dict[str, object] = {"cause": {"code": last.code, "params": last.params}}
    if last.code in NEVER_RETRIED:
        return Verdict(start=False, code="not_retried", params=cause)
    attempts = {**cause, "attempt": failures}
    if failures >= back_off.max_attempts:
        return Verdict(start=False, code="gave_up", params=attempts)
    wait = _delay(failures, last.code, back_off)
    if last.ended is None or now >= last.ended + wait:
        return START
    return Verdict(
        start=False,
        code="retrying",
        params={
            **attempts,
            "attempt": failures + 1,
            "limit": back_off.max_attempts,
            "seconds": round(wait),
        },
    )


def _failures_in_a_row(history: Sequence[EndedRun], back_off: BackOff) -> int:
    failures = 0
    for run in history:
        if run.code in ASKED_FOR | NOT_THE_ENGINES_FAULT:
            break
        failures += 1
        if run.served_s >= back_off.stable_s:
            break
    return failures


def _delay(failures: int, code: str, back_off: BackOff) -> float:
    if code in RETRIED_AT_ONCE:
        return 0
    doubled: float = back_off.first_s * 2 ** (failures - 1)
    return min(doubled, back_off.longest_s)
