"""Failures of the scheduler that repeat: logged once, and tried again ever less often.

In memory, so that it works where the database is the cause; each worker has its own.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

LONGEST_BACK_OFF_S = 300
LOG_AGAIN_S = 3600


@dataclass
class Failure:
    """retry_at, logged_at: uptime in seconds."""

    text: str
    count: int
    retry_at: float
    logged_at: float


class Failures:
    """By what failed, such as a model's id. back_off_s: after the second failure in a
    row with the same text; it doubles with each further one."""

    def __init__(self, back_off_s: float) -> None:
        self._back_off_s = back_off_s
        self._failures: dict[Hashable, Failure] = {}

    def get(self, key: Hashable) -> Failure | None:
        return self._failures.get(key)

    def is_held(self, key: Hashable, now: float) -> bool:
        failure = self._failures.get(key)
        return failure is not None and now < failure.retry_at

    def record(self, key: Hashable, text: str, now: float) -> bool:
        """Whether to log it."""
        last = self._failures.get(key)
        if last is None or last.text != text:
            self._failures[key] = Failure(text, 1, now, now)
            return True
        last.count += 1
        delay_s = self._back_off_s * 2 ** min(last.count - 2, 16)
        last.retry_at = now + min(delay_s, LONGEST_BACK_OFF_S)
        if now < last.logged_at + LOG_AGAIN_S:
            return False
        last.logged_at = now
        return True

    def forget(self, key: Hashable) -> None:
        self._failures.pop(key, None)


def summary(error: Exception) -> str:
    """Without the values that PostgreSQL shows in further lines: they differ each time,
    and are not for logs."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"
