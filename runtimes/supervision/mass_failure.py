"""When most runs of a machine look dead at once, the watcher is the likelier culprit:
a suspended machine, a network that is down, a file system that is away. So it waits and
looks again before anything is restarted. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

LOOK_AGAIN_S = 10.0


class Brake:
    def __init__(self, look_again_s: float = LOOK_AGAIN_S) -> None:
        self.look_again_s = look_again_s
        self.since: dict[str, float] = {}

    def released(
        self, suspects: Iterable[str], watched: Collection[str], now: float
    ) -> set[str]:
        """Those of the suspects that may be acted on now. watched: all runs that were
        looked at, the suspects among them."""
        self.since = {uid: self.since.get(uid, now) for uid in suspects}
        if len(self.since) < 2 or 2 * len(self.since) <= len(watched):
            return set(self.since)
        return {
            uid for uid, since in self.since.items() if now - since >= self.look_again_s
        }
