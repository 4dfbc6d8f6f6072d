"""Whether and how often events of accounts are recorded. A flood must not fill the
table, nor push what matters out of sight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from common import clock

WINDOW_S = 60
PER_SOURCE = 10  # rows in a window, by one address
IN_ALL = 100

_is_off: ContextVar[bool] = ContextVar("is_off", default=False)


@contextmanager
def unrecorded() -> Iterator[None]:
    """For what the platform itself sets up."""
    token = _is_off.set(True)
    try:
        yield
    finally:
        _is_off.reset(token)


def is_recorded() -> bool:
    return not _is_off.get()


class Throttle:
    """Of one process."""

    def __init__(self) -> None:
        self.until = 0.0
        self.admitted: Counter[str] = Counter()
        self.skipped = 0

    def admit(self, source: str) -> int | None:
        """How many were skipped since the last that was admitted; None: skip this."""
        now = clock.uptime()
        if now >= self.until:
            self.until = now + WINDOW_S
            self.admitted.clear()
        if self.admitted.total() >= IN_ALL or self.admitted[source] >= PER_SOURCE:
            self.skipped += 1
            return None
        self.admitted[source] += 1
        skipped, self.skipped = self.skipped, 0
        return skipped


throttle = Throttle()
