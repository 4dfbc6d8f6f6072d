"""Keep history and disk bounded: old runs, their logs, old activity."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from models_app.models import Activity, Run
from runtimes.registry import drivers

logger = logging.getLogger(__name__)


def tidy() -> None:
    """Only what has ended is touched; files of runs without a row (their model was
    deleted) go too."""
    recent = Run.objects.newest_per_model(settings.KEPT_RUNS).values("pk")
    old = Run.objects.ended().exclude(pk__in=recent)
    removed, _ = old.delete()
    oldest = timezone.now() - timedelta(days=settings.ACTIVITY_DAYS)
    forgotten, _ = Activity.objects.filter(at__lt=oldest).delete()
    discarded = _discard_files()
    logger.info(
        "tidy: %d run and %d activity rows, %d run folders removed",
        removed, forgotten, discarded,
    )  # fmt: skip


def _discard_files() -> int:
    """Folders are listed before rows are read: a row exists before its folder does."""
    discarded = 0
    for runs_on in drivers():
        kept = runs_on.kept()
        known = set(Run.objects.filter(uid__in=kept).values_list("uid", flat=True))
        for uid in set(kept) - known:
            runs_on.discard(uid)
            discarded += 1
    return discarded
