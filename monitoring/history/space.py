"""Whether there is room for history. On a full disk SQLite could not even note that a
model was stopped, so history leaves the rest to what is configured."""

from __future__ import annotations

import logging
import shutil

from django.conf import settings
from django.db import connection

from models_app.activity import record
from models_app.models import Activity

logger = logging.getLogger(__name__)

MIB = 2**20
CODES = {True: "history_paused", False: "history_resumed"}


class Space:
    def __init__(self) -> None:
        self.known: bool | None = None

    def is_short(self) -> bool:
        """May write an activity row, when it has changed."""
        short = (
            connection.vendor == "sqlite" and _free_mib() < settings.STORE_MIN_FREE_MIB
        )
        if short != self.known:
            self._say(short)
            self.known = short
        return short

    def _say(self, short: bool) -> None:
        """Several processes write history; the first of them says it for all."""
        told = Activity.objects.filter(code__in=CODES.values()).order_by("pk").last()
        before = told.code if told else CODES[False]
        if before == CODES[short]:
            return
        needed = settings.STORE_MIN_FREE_MIB
        params: dict[str, object] = {"free": _free_mib(), "needed": needed}
        logger.warning("%s: %s", CODES[short], params)
        record(CODES[short], params=params)


def _free_mib() -> int:
    return shutil.disk_usage(settings.DATA_DIR).free // MIB
