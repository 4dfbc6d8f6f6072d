"""The most memory that each run has taken, written down beside it: what its model will
take the next time, too."""

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
    """One run at each step: to find all processes of one takes time."""

    def __init__(self) -> None:
        self.turn = 0

    def step(self, runs: Iterable[Run]) -> Run | None:
        """The run that was looked at and has grown. Before it serves an engine holds
        less, or for an instant, while it loads, more."""
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
    news = False
    for name, mib in zip(FIELDS, seen, strict=True):
        before = getattr(run, name) or 0
        if mib is not None and mib > before * (1 + NOTABLE):
            setattr(run, name, mib)
            news = True
    return news


def _on_gpus(run: Run) -> int | None:
    """None of a run without GPUs, or whose memory the driver does not tell."""
    told = (run.gpu_used or {}).values()
    known = [mib for mib in told if mib is not None]
    return sum(known) if known else None
