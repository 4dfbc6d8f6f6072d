"""The counters of one process. Pure.

While the broker is up they hold what it last answered, so that a process that loses it
goes on from there.
"""

from __future__ import annotations

from collections import Counter as Multiset

from gateway.limits.rules import Claim


class LocalCounters:
    """values: by key of a counter. held: this process's requests in flight, by key of a
    place."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.held: Multiset[str] = Multiset()
        self._ends: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self.values)

    def read(self, claim: Claim) -> list[int]:
        values = [self.values.get(counter.key, 0) for counter in claim.counters]
        return [*values, *(self.held[place.key] for place in claim.places)]

    def is_exhausted(self, claim: Claim) -> bool:
        """Counters never decrease within their window, so that this stays true."""
        return any(c.refuses(self.values.get(c.key, 0)) for c in claim.counters)

    def add(self, key: str, count: int, ends: float) -> None:
        self.values[key] = self.values.get(key, 0) + count
        self._ends[key] = ends

    def learn(self, key: str, value: int, ends: float) -> None:
        """What all processes together counted."""
        self.values[key] = max(value, self.values.get(key, 0))
        self._ends[key] = ends

    def hold(self, claim: Claim) -> None:
        for place in claim.places:
            self.held[place.key] += claim.size

    def release(self, claim: Claim) -> None:
        for place in claim.places:
            self.held[place.key] -= claim.size
            if self.held[place.key] <= 0:
                del self.held[place.key]

    def forget(self, now: float) -> None:
        """Counters of windows that are over."""
        for key in [key for key, ends in self._ends.items() if ends <= now]:
            del self._ends[key]
            self.values.pop(key, None)
