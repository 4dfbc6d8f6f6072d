"""See which engines of this machine are still there."""

from __future__ import annotations

from django.conf import settings

from models_app import clock
from models_app.models import Run
from monitoring.brake import Brake
from runtimes.watch import conclude, observe


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
        vanished = {uid for uid, sight in seen.items() if sight and sight.vanished}
        doubted = vanished - self.brake.released(vanished, seen, clock.uptime())
        return [
            run for run in runs if run.uid in doubted or conclude(run, seen[run.uid])
        ]
