"""Load of each run: requests in flight, averaged over about five minutes like a load
average. Stored for the scheduler, which evicts the least used runs first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from models_app.models import Run

WINDOW_S = 300.0
# Smaller changes are not worth a write.
NOTABLE = 0.1


@dataclass(slots=True)
class Load:
    at: float
    mean: float

    def add(self, in_flight: int, now: float) -> None:
        """Exponentially weighted: what is older than WINDOW_S counts a third."""
        weight = 1 - math.exp(-max(now - self.at, 0) / WINDOW_S)
        self.mean += weight * (in_flight - self.mean)
        self.at = now


class Loads:
    def __init__(self) -> None:
        self.of: dict[str, Load] = {}

    def add(self, run: Run, in_flight: int, now: float) -> None:
        """Continues from the row of a run that another process has watched."""
        self.of.setdefault(run.uid, Load(now, run.traffic)).add(in_flight, now)

    def write(self, runs: Iterable[Run]) -> int:
        """Number of rows written."""
        changed = [run for run in runs if self._has_changed(run)]
        for run in changed:
            run.traffic = round(self.of[run.uid].mean, 3)
        return Run.objects.bulk_update(changed, ["traffic"]) if changed else 0

    def keep_only(self, uids: set[str]) -> None:
        for uid in self.of.keys() - uids:
            del self.of[uid]

    def _has_changed(self, run: Run) -> bool:
        known = self.of.get(run.uid)
        if known is None:
            return False
        return abs(known.mean - run.traffic) > NOTABLE * max(run.traffic, 0.5)
