"""Whether and when to start a replica again after its runs ended. Pure.

Back-off as in kubelet: 10 s, doubling up to 300 s, reset after 10 minutes of service.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from common.enums import Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """ended: seconds since boot, None before the last boot. served_s: time ready.
    gpu_room_mib: at least this much was free on each of its GPUs before it was placed.
    """

    code: str
    params: dict[str, object] = field(default_factory=dict)
    ended: float | None
    served_s: float
    gpu_room_mib: int = 0
    retry: Retry = Retry.BACKOFF

    @property
    def did_not_fit(self) -> bool:
        """Ran out of GPU memory while loading, and would again in the same place."""
        return self.retry is Retry.MORE_GPU_MEMORY and not self.served_s


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    first_s: float = 10
    longest_s: float = 300
    stable_s: float = 600
    max_attempts: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether to start now; if not, the message code and parameters of the reason."""

    start: bool
    code: str = ""
    params: dict[str, object] = field(default_factory=dict)


START = Verdict(start=True)


def assess(history: Sequence[EndedRun], back_off: BackOff, now: float) -> Verdict:
    """history: ended runs of one replica since its last requested start, newest first.
    now: seconds since boot."""
    failures = _failures_in_a_row(history, back_off)
    if failures == 0:
        return START
    last = history[0]
    cause: dict[str, object] = {"cause": {"code": last.code, "params": last.params}}
    if last.retry is Retry.NEVER:
        return Verdict(start=False, code="not_retried", params=cause)
    attempts = {**cause, "attempt": failures}
    if failures >= back_off.max_attempts:
        return Verdict(start=False, code="gave_up", params=attempts)
    wait = _delay(failures, last, back_off)
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
        if not run.retry.is_failure:
            break
        failures += 1
        if run.served_s >= back_off.stable_s:
            break
    return failures


def too_small_mib(history: Sequence[EndedRun]) -> int:
    """The most GPU memory that was free on each GPU and still not enough, since it last
    served; 0 if unknown. It is tried again only where more is free."""
    largest = 0
    for run in history:
        if run.served_s:
            break
        if run.did_not_fit:
            largest = max(largest, run.gpu_room_mib)
    return largest


def no_more_room(history: Sequence[EndedRun], mib: int) -> Verdict:
    last = history[0]
    cause = {"code": last.code, "params": last.params}
    return Verdict(
        start=False, code="no_gpu_has_more", params={"cause": cause, "mib": mib}
    )


def _delay(failures: int, last: EndedRun, back_off: BackOff) -> float:
    elsewhere = last.did_not_fit and last.gpu_room_mib
    if last.retry is Retry.AT_ONCE or elsewhere:
        return 0
    doubled: float = back_off.first_s * 2 ** (failures - 1)
    return min(doubled, back_off.longest_s)
