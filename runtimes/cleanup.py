"""Deletes old runs, logs, activity, tokens and what Django and its apps keep, which
would grow without end."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django_q.models import Failure
from taggit.models import Tag

from common.retention import retention_now
from models_app.models import Activity, Run
from models_app.tokens import delete_expired_tokens
from runtimes.registry import drivers

KEPT_FAILURES = 1000  # of background tasks, with their traces

logger = logging.getLogger(__name__)


def delete_old_runs() -> None:
    """Runs that have ended, old activity, expired tokens, and files of runs without a
    row, whose model was deleted."""
    recent = Run.objects.newest_per_model(settings.KEPT_RUNS).values("pk")
    old = Run.objects.ended().exclude(pk__in=recent)
    removed, _ = old.delete()
    now = retention_now()
    oldest = now - timedelta(days=settings.ACTIVITY_DAYS)
    expired, _ = Activity.objects.filter(at__lt=oldest).delete()
    tokens = delete_expired_tokens(now)
    LogEntry.objects.filter(action_time__lt=oldest).delete()
    Session.objects.filter(expire_date__lt=now).delete()
    _delete_old_failures()
    Tag.objects.filter(taggit_taggeditem_items=None).delete()
    discarded = _discard_orphans()
    logger.info(
        "cleanup: %d run and %d activity rows, %d tokens, %d run folders deleted",
        removed, expired, tokens, discarded,
    )  # fmt: skip


def _delete_old_failures() -> None:
    """By number: a task that fails every second would fill the disk within days."""
    newest_first = Failure.objects.order_by("-started")
    beyond = newest_first.values_list("started", flat=True)[KEPT_FAILURES:]
    if (oldest := beyond.first()) is not None:
        Failure.objects.filter(started__lte=oldest).delete()


def _discard_orphans() -> int:
    """Lists folders before rows: a run has a row before it has a folder."""
    discarded = 0
    for runs_on in drivers():
        stored = runs_on.run_uids()
        known = set(Run.objects.values_list("uid", flat=True))
        for uid in set(stored) - known:
            runs_on.discard(uid)
            discarded += 1
    return discarded
