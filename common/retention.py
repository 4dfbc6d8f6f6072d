"""A clock for what deletes by age. It never runs far ahead of the time that has really
passed, so a machine whose clock is wrong for a day destroys nothing."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from common import clock

# After the platform was off, it catches up with the clock at twice the speed of time.
CATCH_UP = 2


def retention_now() -> datetime:
    """The time up to which things may be taken as old: the clock's, but not later than
    the last call's plus twice the time that has passed since, by the boot clock."""
    now = timezone.now()
    if (last := _read()) is not None:
        seen, boot_id, uptime = last
        passed = clock.uptime() - (uptime if boot_id == clock.boot_id() else 0)
        now = min(now, seen + timedelta(seconds=CATCH_UP * passed))
    _write(now)
    return now


def _path() -> Path:
    return Path(settings.DATA_DIR) / "retention_clock.json"


def _read() -> tuple[datetime, str, float] | None:
    """None: never written, or not readable any more."""
    try:
        stored = json.loads(_path().read_text())
        seen = datetime.fromtimestamp(stored["seen"], UTC)
        return seen, str(stored["boot_id"]), float(stored["uptime"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(now: datetime) -> None:
    stored = {
        "seen": now.timestamp(),
        "boot_id": clock.boot_id(),
        "uptime": clock.uptime(),
    }
    draft = _path().with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(stored))
    draft.replace(_path())
