"""Deletes old runs, their logs and old activity, which would grow without end."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from models_app.models import Activity, Run
from runtimes.registry import drivers

logger = logging.getLogger(__name__)


def delete_old_runs() -> None:
    """Runs that have ended, old activity, and files of runs without a row, whose model
    was deleted."""
    recent = Run.objects.newest_per_model(settings.KEPT_RUNS).values("pk")
    old = Run.objects.ended().exclude(pk__in=recent)
    removed, _ = old.delete()
    oldest = timezone.now() - timedelta(days=settings.ACTIVITY_DAYS)
    expired, _ = Activity.objects.filter(at__lt=oldest).delete()
    discarded = _discard_orphans()
    logger.info(
        "cleanup: %d run and %d activity rows, %d run folders deleted",
        removed, expired, discarded,
    )  # fmt: skip


def _discard_orphans() -> int:
    """Lists folders before rows: a run has a row before it has a folder."""
    discarded = 0
    for runs_on in drivers():
        stored = runs_on.run_uids()
        known = set(Run.objects.filter(uid__in=stored).values_list("uid", flat=True))
        for uid in set(stored) - known:
            runs_on.discard(uid)
            discarded += 1
    return discarded
