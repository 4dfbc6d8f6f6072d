"""Exports that are too large to be waited for.

One at a time, so that the task queue always has a worker for the scheduler. A process
that is killed leaves a row without a beat: whoever looks at it next has it begun again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from common import broker
from common.exceptions import Invalid
from models_app.models import new_uid
from monitoring.enums import ExportState
from monitoring.exports import formats, rows
from monitoring.exports.limits import TooManyExports, check_size
from monitoring.exports.row import Row
from monitoring.exports.times import iso
from monitoring.history.params import Params, build_query
from monitoring.models import ExportJob

logger = logging.getLogger(__name__)

EACH = 2  # of a user's that wait or run
VALID = timedelta(hours=24)
# Packing a workbook of millions of rows takes minutes without a beat.
SILENT = timedelta(minutes=5)
MAX_ATTEMPTS = 3
TIMEOUT_S = 3600
BEAT_ROWS = 20_000
TASK = "monitoring.tasks.write_export"


class Gone(Exception):
    """The job was deleted while it was written."""


def ask(user: User, format: str, words: Params) -> ExportJob:
    """Times are fixed now: "the last 24 hours" are those before the question. Raises
    Invalid or TooManyExports."""
    selection = rows.select(build_query(words))
    expected = rows.count(selection)
    check_size(expected)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if _open(user).count() >= EACH:
            raise TooManyExports(EACH)
        job = ExportJob.objects.create(
            uid=new_uid(),
            requested_by=user,
            format=format,
            words=_fixed(words, selection),
            file_name=formats.file_name(format, selection),
            rows_expected=expected,
        )
        broker.enqueue(TASK, timeout=TIMEOUT_S)
    return job


def _open(user: User) -> QuerySet[ExportJob]:
    return ExportJob.objects.filter(requested_by=user, state__in=ExportState.OPEN)


def _fixed(words: Params, selection: rows.Selection) -> Params:
    fixed = {name: value for name, value in words.items() if name != "range"}
    for name in ("start", "end"):
        fixed[f"{name}_time"] = iso(getattr(selection.query, name))
    return fixed


def path_of(job: ExportJob) -> Path:
    return formats.folder() / f"{job.uid}.{job.format}"


def revive(job: ExportJob) -> None:
    """Somebody looks at it: if nobody works on it, somebody should."""
    if job.state in ExportState.OPEN and _is_silent(job):
        broker.enqueue(TASK, timeout=TIMEOUT_S)


def _is_silent(job: ExportJob) -> bool:
    return (job.beat_at or job.created_at) < timezone.now() - SILENT


def write_next() -> None:
    """One, and the next is another task: each has its own timeout."""
    job = _next()
    if job is not None:
        _write(job)
        if ExportJob.objects.filter(state=ExportState.WAITING).exists():
            broker.enqueue(TASK, timeout=TIMEOUT_S)


@transaction.atomic
def _next() -> ExportJob | None:
    """None while one is being written. The oldest row is everybody's lock."""
    found = ExportJob.objects.filter(state__in=ExportState.OPEN).order_by("pk")
    found.select_for_update().first()
    for job in found:
        if job.state == ExportState.RUNNING and not _is_silent(job):
            return None
    found.filter(attempts__gte=MAX_ATTEMPTS).update(state=ExportState.FAILED)
    oldest = found.all().first()
    return oldest if oldest is not None and _take(oldest) else None


def _take(job: ExportJob) -> bool:
    """False: another process was faster."""
    begun = {
        "state": ExportState.RUNNING,
        "rows": 0,
        "attempts": job.attempts + 1,
        "beat_at": timezone.now(),
    }
    as_read = ExportJob.objects.filter(
        pk=job.pk, state=job.state, attempts=job.attempts
    )
    if not as_read.update(**begun):
        return False
    for name, value in begun.items():
        setattr(job, name, value)
    return True


def _write(job: ExportJob) -> None:
    path = path_of(job)
    part = path.with_name(f"{job.uid}.{job.attempts}.part")
    try:
        selection = rows.select(build_query(job.words))
        with part.open("wb") as file:
            for chunk in formats.chunks(job.format, selection, _told(job, selection)):
                file.write(chunk)
        part.replace(path)
    except Gone:
        _remove(part)
    except (OSError, Invalid) as error:
        logger.error("export %s: %s", job.uid, error)
        _remove(part)
        _mine(job).update(state=ExportState.FAILED)
    else:
        _done(job, path)


def _told(job: ExportJob, selection: rows.Selection) -> Iterator[Row]:
    for number, row in enumerate(rows.rows(selection), start=1):
        yield row
        job.rows = number
        if number % BEAT_ROWS == 0:
            beat = {"rows": number, "beat_at": timezone.now()}
            if not _mine(job).update(**beat):
                raise Gone


def _mine(job: ExportJob) -> QuerySet[ExportJob]:
    """As long as no other process has begun it again."""
    return ExportJob.objects.filter(
        pk=job.pk, state=ExportState.RUNNING, attempts=job.attempts
    )


def _done(job: ExportJob, path: Path) -> None:
    written = _mine(job).update(
        state=ExportState.DONE,
        rows=job.rows,
        size_bytes=path.stat().st_size,
        expires_at=timezone.now() + VALID,
    )
    if not ExportJob.objects.filter(pk=job.pk).exists() and not written:
        path.unlink(missing_ok=True)


def delete(job: ExportJob) -> None:
    job.delete()
    for path in formats.folder().glob(f"{job.uid}.*"):
        path.unlink(missing_ok=True)


def prune() -> None:
    """What is no longer valid, and what a process left behind that was killed."""
    now = timezone.now()
    failed = Q(state=ExportState.FAILED, created_at__lt=now - VALID)
    for job in ExportJob.objects.filter(Q(expires_at__lt=now) | failed):
        delete(job)
    for job in ExportJob.objects.filter(state__in=ExportState.OPEN):
        revive(job)
    known = set(ExportJob.objects.values_list("uid", flat=True))
    for path in formats.folder().iterdir():
        is_old = path.stat().st_mtime < (now - VALID).timestamp()
        if is_old and path.name.split(".")[0] not in known:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
