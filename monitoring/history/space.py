"""Check that there is disk space for history.

On a full disk SQLite could not even record that a model was stopped, so history stops
first and leaves the configured minimum free.
"""

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


class FreeSpaceCheck:
    def __init__(self) -> None:
        self.was_low: bool | None = None

    def is_low(self) -> bool:
        """Writes an activity row when the result changes."""
        is_low = (
            connection.vendor == "sqlite" and _free_mib() < settings.STORE_MIN_FREE_MIB
        )
        if is_low != self.was_low:
            self._report(is_low)
            self.was_low = is_low
        return is_low

    def _report(self, is_low: bool) -> None:
        """Several processes write history; only the first one reports the change."""
        last = Activity.objects.filter(code__in=CODES.values()).order_by("pk").last()
        reported = last.code if last else CODES[False]
        if reported == CODES[is_low]:
            return
        code, free, needed = CODES[is_low], _free_mib(), settings.STORE_MIN_FREE_MIB
        logger.warning("%s: %d MiB free, %d MiB needed", code, free, needed)
        record(code, params={"free": free, "needed": needed})


def _free_mib() -> int:
    return shutil.disk_usage(settings.DATA_DIR).free // MIB
