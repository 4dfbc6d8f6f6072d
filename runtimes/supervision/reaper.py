"""Kills engines of this installation that belong to no live run. Only processes that
carry its mark and the uid of a run are considered."""

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
        """Uids killed. Lists processes before rows: a run has a row before it has an
        engine, so an engine that is just starting is never taken for a leftover."""
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
