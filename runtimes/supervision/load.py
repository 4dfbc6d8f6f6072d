"""How much each run is used: requests in flight, averaged over about five minutes like
a load average. Written down for the scheduler, which evicts the least used first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from models_app.models import Run

MEMORY_S = 300.0
# Smaller changes are not worth a write.
NOTABLE = 0.1


@dataclass(slots=True)
class Load:
    at: float
    mean: float

    def add(self, in_flight: int, now: float) -> None:
        """Exponentially weighted: what is older than MEMORY_S counts for a third."""
        weight = 1 - math.exp(-max(now - self.at, 0) / MEMORY_S)
        self.mean += weight * (in_flight - self.mean)
        self.at = now


class Loads:
    def __init__(self) -> None:
        self.of: dict[str, Load] = {}

    def add(self, run: Run, in_flight: int, now: float) -> None:
        """A run that was watched before this process began goes on from its row."""
        self.of.setdefault(run.uid, Load(now, run.traffic)).add(in_flight, now)

    def write(self, runs: Iterable[Run]) -> int:
        """Rows written."""
        changed = [run for run in runs if self._is_news(run)]
        for run in changed:
            run.traffic = round(self.of[run.uid].mean, 3)
        return Run.objects.bulk_update(changed, ["traffic"]) if changed else 0

    def forget_all_but(self, uids: set[str]) -> None:
        for uid in self.of.keys() - uids:
            del self.of[uid]

    def _is_news(self, run: Run) -> bool:
        known = self.of.get(run.uid)
        if known is None:
            return False
        return abs(known.mean - run.traffic) > NOTABLE * max(run.traffic, 0.5)
