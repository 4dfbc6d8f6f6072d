"""The most memory that each run has taken, written down beside it: what its model will
take the next time, too."""

from __future__ import annotations

from collections.abc import Iterable

from models_app.enums import RunState
from models_app.models import Run
from runtimes.registry import driver
from runtimes.watch import handle_of

FIELDS = ("gpu_peak_mib", "memory_peak_mib")
# Growth by less is not worth a write.
NOTABLE = 0.01


def write(runs: Iterable[Run]) -> int:
    """Rows written. Of runs that serve: before that an engine holds less, or for an
    instant, while it loads, more."""
    changed = [run for run in runs if run.state == RunState.READY and _grew(run)]
    return Run.objects.bulk_update(changed, FIELDS) if changed else 0


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
