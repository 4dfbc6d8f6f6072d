"""See which engines of this machine are still there."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from common import clock
from models_app.activity import record
from models_app.lifecycle import settle
from models_app.models import Run
from runtimes.supervision.mass_failure import Brake
from runtimes.supervision.observe import conclude, observe


class Lookout:
    """How a shim saw its engine end is proof. Engines that have vanished without one
    are believed dead at once only while they are few."""

    def __init__(self) -> None:
        self.brake = Brake()

    def step(self) -> list[Run]:
        """Live runs whose engine lives or may yet be started; those in doubt too."""
        live = Run.objects.live().filter(node=settings.NODE_NAME)
        runs = list(live.select_related("model"))
        seen = {run.uid: observe(run) for run in runs}
        _tell(runs, {uid for uid, sight in seen.items() if sight and sight.blind})
        vanished = {uid for uid, sight in seen.items() if sight and sight.vanished}
        doubted = vanished - self.brake.released(vanished, seen, clock.uptime())
        return [
            run for run in runs if run.uid in doubted or conclude(run, seen[run.uid])
        ]


def _tell(runs: list[Run], blind: set[str]) -> None:
    """Of each driver that sees nothing any more, or does again. Rows remember what was
    told: who watches may be another one than before."""
    changed: dict[tuple[str, bool], list[Run]] = {}
    for run in runs:
        if run.unseen != (run.uid in blind):
            changed.setdefault((run.driver, run.uid in blind), []).append(run)
    for (driver, unseen), some in changed.items():
        params: dict[str, object] = {"driver": driver, "node": settings.NODE_NAME}
        if unseen:
            params["models"] = sorted({run.model.name for run in some})
        rows = Run.objects.live().filter(pk__in=[run.pk for run in some])
        with transaction.atomic():
            if not rows.filter(unseen=not unseen).update(unseen=unseen):
                continue  # they have ended meanwhile
            record("engines_unseen" if unseen else "engines_seen", params=params)
            for run in some:
                run.unseen = unseen
                settle(run.model_id)
