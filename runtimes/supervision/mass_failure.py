"""Delays actions while most runs of a machine seem dead at once.

The monitor is then the likelier cause: a suspended machine, a network or file system
that is away. It waits before anything is restarted. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

GRACE_S = 10.0


class Brake:
    def __init__(self, grace_s: float = GRACE_S) -> None:
        self.grace_s = grace_s
        self.since: dict[str, float] = {}

    def released(
        self, suspects: Iterable[str], watched: Collection[str], now: float
    ) -> set[str]:
        """Suspects that may be acted on now. watched: all runs that were checked, the
        suspects included."""
        self.since = {uid: self.since.get(uid, now) for uid in suspects}
        if len(self.since) < 2 or 2 * len(self.since) <= len(watched):
            return set(self.since)
        return {uid for uid, since in self.since.items() if now - since >= self.grace_s}
