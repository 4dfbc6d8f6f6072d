"""Peak memory of each run, which its model will probably take the next time, too."""

from __future__ import annotations

from collections.abc import Iterable

from models_app.enums import RunState
from models_app.models import Run
from runtimes.registry import driver
from runtimes.supervision.observe import handle_of

FIELDS = ("gpu_peak_mib", "memory_peak_mib")
# Growth by less is not worth a write.
NOTABLE = 0.01


class Peaks:
    """Measures one run at each step: finding all its processes takes time."""

    def __init__(self) -> None:
        self.turn = 0

    def step(self, runs: Iterable[Run]) -> Run | None:
        """The measured run, if it has grown. Only engines that serve are measured:
        while they load they may hold more for an instant."""
        serving = [r for r in runs if r.state == RunState.READY and not r.unseen]
        if not serving:
            return None
        self.turn += 1
        run = serving[self.turn % len(serving)]
        if not _grew(run):
            return None
        peaks = {name: getattr(run, name) for name in FIELDS}
        Run.objects.filter(pk=run.pk).update(**peaks)
        return run


def _grew(run: Run) -> bool:
    seen = (_on_gpus(run), driver(run.driver).memory_mib(handle_of(run)))
    grown = False
    for name, mib in zip(FIELDS, seen, strict=True):
        before = getattr(run, name) or 0
        if mib is not None and mib > before * (1 + NOTABLE):
            setattr(run, name, mib)
            grown = True
    return grown


def _on_gpus(run: Run) -> int | None:
    """None for a run without GPUs, or whose memory the driver does not report."""
    known = [mib for mib in (run.gpu_used or {}).values() if mib is not None]
    return sum(known) if known else None
