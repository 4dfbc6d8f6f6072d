"""Checks which engines of this machine still live."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from common import clock
from models_app.activity import record
from models_app.lifecycle import reconcile_status
from models_app.models import Run
from runtimes.supervision.mass_failure import Brake
from runtimes.supervision.observe import conclude, observe


class LivenessCheck:
    """The exit record of a shim is proof. Engines that vanished without one are taken
    for dead at once only while they are few."""

    def __init__(self) -> None:
        self.brake = Brake()

    def step(self) -> list[Run]:
        """Live runs whose engine lives, may still be started, or is in doubt."""
        live = Run.objects.live().filter(node=settings.NODE_NAME)
        runs = list(live.select_related("model"))
        seen = {run.uid: observe(run) for run in runs}
        _record_blindness(runs, {uid for uid, o in seen.items() if o and o.blind})
        vanished = {uid for uid, o in seen.items() if o and o.vanished}
        doubted = vanished - self.brake.released(vanished, seen, clock.uptime())
        return [
            run for run in runs if run.uid in doubted or conclude(run, seen[run.uid])
        ]


def _record_blindness(runs: list[Run], blind: set[str]) -> None:
    """Records when a driver cannot see its engines any more, or sees them again. Rows
    hold what was recorded, since a new monitor may have taken over."""
    changed: dict[tuple[str, bool], list[Run]] = {}
    for run in runs:
        if run.unseen != (run.uid in blind):
            changed.setdefault((run.driver, run.uid in blind), []).append(run)
    for (driver, unseen), group in changed.items():
        params: dict[str, object] = {"driver": driver, "node": settings.NODE_NAME}
        if unseen:
            params["models"] = sorted({run.model.name for run in group})
        rows = Run.objects.live().filter(pk__in=[run.pk for run in group])
        with transaction.atomic():
            if not rows.filter(unseen=not unseen).update(unseen=unseen):
                continue  # they have ended meanwhile
            record("engines_unseen" if unseen else "engines_seen", params=params)
            for run in group:
                run.unseen = unseen
                reconcile_status(run.model_id)
