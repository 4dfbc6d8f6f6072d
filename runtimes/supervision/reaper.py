"""Kill engines that are ours and belong to no live run. Strangers are never touched:
only processes that carry this installation's mark and a run's uid are looked at."""

from __future__ import annotations

import logging

from common import clock
from models_app.activity import record
from models_app.models import Run
from runtimes.registry import drivers

logger = logging.getLogger(__name__)

GRACE_S = 10


class Reaper:
    def __init__(self, grace_s: float = GRACE_S) -> None:
        self.grace_s = grace_s
        self.first_seen: dict[str, float] = {}

    def step(self) -> list[str]:
        """Uids killed. Processes are listed before rows are read: a run row exists
        before its engine does, so none that is just starting can look left over."""
        carriers = {uid: runs_on for runs_on in drivers() for uid in runs_on.owned()}
        live = set(Run.objects.live().values_list("uid", flat=True))
        now = clock.uptime()
        self.first_seen = {
            uid: self.first_seen.get(uid, now) for uid in carriers.keys() - live
        }
        due = [u for u, since in self.first_seen.items() if now - since >= self.grace_s]
        for uid in due:
            logger.warning("killing leftover engine of run %s", uid)
            carriers[uid].reap(uid)
            record("engine_reaped", params={"uid": uid})
        return due
