"""Keep what is left of downloads bounded."""

from __future__ import annotations

import logging
import os
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models.functions import Coalesce
from django.utils import timezone

from runtimes.downloads.hubs import folder
from runtimes.downloads.hubs.remote import Failed
from runtimes.enums import DownloadState
from runtimes.models import Download

logger = logging.getLogger(__name__)

KEPT = timedelta(days=30)
# Another installation may share the model folders, and go on with what has no row here.
LEFTOVER = timedelta(days=2)


def tidy() -> None:
    """Old rows go, and hidden folders without a row. Whole models are never touched."""
    old = Download.objects.exclude(state__in=DownloadState.OPEN)
    ended = Coalesce("finished_at", "created_at")
    old.alias(ended=ended).filter(ended__lt=timezone.now() - KEPT).delete()
    # Folders are listed before rows are read: a row exists before its folder does.
    parts = {
        uid: part
        for root in settings.MODEL_ROOTS
        for uid, part in folder.parts_in(root).items()
    }
    known = set(Download.objects.filter(uid__in=parts).values_list("uid", flat=True))
    for uid in parts.keys() - known:
        if _is_old(parts[uid]):
            _discard(parts[uid])


def _is_old(part: Path) -> bool:
    """By the last file that was begun there."""
    try:
        return time.time() - part.stat().st_mtime > LEFTOVER.total_seconds()
    except OSError:
        return False


def _discard(part: Path) -> None:
    try:
        held = folder.hold(part)
    except (Failed, OSError):
        return  # somebody still writes there
    folder.discard(part)
    os.close(held)
    logger.info("tidy: %s removed", part)
