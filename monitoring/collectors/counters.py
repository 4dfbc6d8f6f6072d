"""Counters that only grow, as engines, drivers and kernels keep them, made into
increments."""

from __future__ import annotations

from collections.abc import Collection, Hashable


class Increments:
    """One per reader; keys are the caller's.

    A counter that is smaller than before, or whose process is another one, began again
    at 0: all it shows is new. What was counted between the last look and the restart is
    lost: nobody saw it.
    """

    def __init__(self) -> None:
        self.last: dict[Hashable, tuple[float, object]] = {}

    def of(self, key: Hashable, raw: float, process: object = None) -> float | None:
        """process: anything that tells one life of the counter from the next, such as
        a start time. None at first sight: nobody knows since when it counts."""
        before = self.last.get(key)
        self.last[key] = (raw, process)
        if before is None:
            return None
        began_again = raw < before[0] or process != before[1]
        return raw if began_again else raw - before[0]

    def forget_all_but(self, keys: Collection[Hashable]) -> None:
        self.last = {key: seen for key, seen in self.last.items() if key in keys}
