"""Deletes old runs, logs, activity, tokens and what Django and its apps keep, which
would grow without end."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models import Min
from django_q.models import Failure
from taggit.models import Tag

from common.retention import retention_now
from models_app.models import Activity, Run
from models_app.tokens.lifecycle import delete_expired_tokens
from runtimes.models import Gpu, Node
from runtimes.registry import drivers

KEPT_FAILURES = 1000  # of background tasks, with their traces
KEPT_ABSENT_GPUS = 100  # the list of machines shows them
ENGINE_CACHE = timedelta(days=90)

logger = logging.getLogger(__name__)


def clean_up() -> None:
    """All retentions but those of jobs, decisions and history. Caches come last: there
    may be many files."""
    recent = Run.objects.newest_per_model(settings.KEPT_RUNS).values("pk")
    old = Run.objects.ended().exclude(pk__in=recent)
    removed, _ = old.only("pk").delete()  # their logs would fill the memory
    now = retention_now()
    oldest = now - timedelta(days=settings.ACTIVITY_DAYS)
    expired, _ = Activity.objects.filter(at__lt=oldest).delete()
    tokens = delete_expired_tokens(now)
    LogEntry.objects.filter(action_time__lt=oldest).delete()
    Session.objects.filter(expire_date__lt=now).delete()
    attempts = AccessAttempt.objects.filter(
        attempt_time__lt=now - settings.AXES_COOLOFF_TIME
    )
    attempts.delete()
    _delete_old_failures()
    _delete_unseen_machines(oldest)
    Tag.objects.filter(taggit_taggeditem_items=None).delete()
    discarded = _discard_orphans()
    logger.info(
        "cleanup: %d run and %d activity rows, %d tokens, %d run folders deleted",
        removed, expired, tokens, discarded,
    )  # fmt: skip
    _delete_unused_files(settings.ENGINE_ISOLATION["home"], now)


def _delete_old_failures() -> None:
    """By number: a task that fails every second would fill the disk within days."""
    newest_first = Failure.objects.order_by("-started")
    beyond = newest_first.values_list("started", flat=True)[KEPT_FAILURES:]
    if (oldest := beyond.first()) is not None:
        Failure.objects.filter(started__lte=oldest).delete()


def _delete_unseen_machines(oldest: datetime) -> None:
    """Containers change the name of the machine, and each MIG layout the UUIDs of its
    GPUs."""
    live = Run.objects.live()
    unseen = Node.objects.filter(seen_at__lt=oldest)
    unseen.exclude(name__in=live.values("node")).delete()
    used = set(chain.from_iterable(live.values_list("gpu_uuids", flat=True)))
    absent = Gpu.objects.filter(present=False).exclude(uuid__in=used)
    newest_first = absent.order_by("-pk").values_list("pk", flat=True)
    beyond = list(newest_first[KEPT_ABSENT_GPUS:])
    Gpu.objects.filter(pk__in=beyond).delete()


def _delete_unused_files(home: Path, now: datetime) -> None:
    """What engines have cached, unless it was read or written since the oldest live run
    began. By descriptors: an engine may put a link in place of a folder."""
    began = Run.objects.live().aggregate(at=Min("created_at"))["at"] or now
    oldest = min(began, now - ENGINE_CACHE).timestamp()
    if not home.is_dir():
        return
    try:
        for _, folders, files, here in os.fwalk(home, topdown=False):
            for name in files:
                _delete_older(name, here, oldest, os.unlink)
            for name in folders:
                _delete_older(name, here, oldest, os.rmdir)
    except (OSError, RecursionError) as error:
        logger.warning("cleanup: %s was not searched to its end: %s", home, error)


def _delete_older(
    name: str, here: int, oldest: float, delete: Callable[..., None]
) -> None:
    """Not a folder that is not empty, nor what an engine deletes at the same time."""
    with suppress(OSError):
        found = os.stat(name, dir_fd=here, follow_symlinks=False)
        used = found.st_mtime
        if delete is os.unlink:  # this search itself counts as a use of folders
            used = max(used, found.st_atime)
        if used < oldest:
            delete(name, dir_fd=here)


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
