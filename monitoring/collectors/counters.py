"""Turn ever-growing counters of engines, drivers and kernels into increments."""

from __future__ import annotations

from collections.abc import Collection, Hashable


class Increments:
    """One instance per reader; the caller chooses the keys.

    A counter that has decreased, or whose process has changed, restarted from 0, so its
    whole value is new. Whatever was counted between the last reading and the restart is
    lost.
    """

    def __init__(self) -> None:
        self.last: dict[Hashable, tuple[float, object]] = {}

    def since_last(
        self, key: Hashable, value: float, process: object = None
    ) -> float | None:
        """process: identifies the counter's process, for example by its start time.
        Returns None for the first value: it is unknown since when it has counted."""
        previous = self.last.get(key)
        self.last[key] = (value, process)
        if previous is None:
            return None
        restarted = value < previous[0] or process != previous[1]
        return value if restarted else value - previous[0]

    def retain(self, keys: Collection[Hashable]) -> None:
        self.last = {key: last for key, last in self.last.items() if key in keys}
