"""See which engines of this machine are still there."""

from __future__ import annotations

from django.conf import settings

from models_app import clock
from models_app.activity import record
from models_app.models import Run
from monitoring.brake import Brake
from runtimes.watch import conclude, observe


class Lookout:
    """How a shim saw its engine end is proof. Engines that have vanished without one
    are believed dead at once only while they are few."""

    def __init__(self) -> None:
        self.brake = Brake()
        self.unseen: dict[str, list[Run]] = {}  # by driver

    def step(self) -> list[Run]:
        """Live runs whose engine lives or may yet be started; those in doubt too."""
        live = Run.objects.live().filter(node=settings.NODE_NAME)
        runs = list(live.select_related("model"))
        seen = {run.uid: observe(run) for run in runs}
        self._tell([run for run in runs if (sight := seen[run.uid]) and sight.blind])
        vanished = {uid for uid, sight in seen.items() if sight and sight.vanished}
        doubted = vanished - self.brake.released(vanished, seen, clock.uptime())
        return [
            run for run in runs if run.uid in doubted or conclude(run, seen[run.uid])
        ]

    def _tell(self, blind: list[Run]) -> None:
        """Of each driver that sees nothing any more, or does again."""
        before, self.unseen = self.unseen, {}
        for run in blind:
            self.unseen.setdefault(run.driver, []).append(run)
        for name in self.unseen.keys() ^ before.keys():
            params: dict[str, object] = {"driver": name, "node": settings.NODE_NAME}
            if runs := self.unseen.get(name):
                params["models"] = sorted({run.model.name for run in runs})
            record("engines_unseen" if runs else "engines_seen", params=params)
