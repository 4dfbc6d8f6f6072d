"""Exports that are too large to be waited for, one at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from common import job_runner, jobs
from common.exceptions import Invalid
from common.jobs import JobFailed, Kind
from common.retention import retention_now
from models_app.permissions import VIEW, is_admin
from monitoring.exports import formats, rows
from monitoring.exports.limits import TooManyExports, check_size
from monitoring.exports.row import Row
from monitoring.exports.times import iso
from monitoring.history.params import Params, build_query
from monitoring.models import ExportJob

MAX_OPEN = 2  # of one user
VALID = timedelta(hours=24)
REPORT_ROWS = 20_000


def submit(user: User, format: str, params: Params) -> ExportJob:
    """Times are fixed now: "the last 24 hours" are those before the request. Raises
    Invalid or TooManyExports."""
    selection = rows.select(build_query(params))
    expected = rows.count(selection)
    check_size(expected)
    job = ExportJob(
        format=format,
        request=_fixed(params, selection),
        file_name=formats.file_name(format, selection),
        total=expected,
    )
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if KIND.open_jobs().filter(created_by=user).count() >= MAX_OPEN:
            raise TooManyExports(MAX_OPEN)
        return jobs.submit(job, user)


def _fixed(params: Params, selection: rows.Selection) -> Params:
    fixed = {name: value for name, value in params.items() if name != "range"}
    for name in ("start", "end"):
        fixed[f"{name}_time"] = iso(getattr(selection.query, name))
    return fixed


def path_of(job: ExportJob) -> Path:
    return formats.folder() / f"{job.uid}.{job.format}"


def _part_of(job: ExportJob, attempt: int) -> Path:
    return formats.folder() / f"{job.uid}.{attempt}.part"


class Exports(Kind[ExportJob]):
    """Each attempt starts over, so that a file is always of one piece."""

    name = "export"
    title = _("Export")
    model = ExportJob
    keep = VALID
    interrupted = "export_interrupted"

    def visible_to(self, user: Any) -> QuerySet[ExportJob]:
        """A user's own; administrators see everybody's."""
        if not user.has_perm(VIEW):
            return self.jobs().none()
        return self.jobs() if is_admin(user) else self.jobs().filter(created_by=user)

    def may_change(self, user: Any, job: ExportJob) -> bool:
        return True

    def run(self, job: ExportJob) -> None:
        path, part = path_of(job), _part_of(job, job.attempts)
        try:
            selection = rows.select(build_query(job.request))
            with part.open("wb") as file:
                for chunk in formats.chunks(
                    job.format, selection, _counted(job, selection)
                ):
                    file.write(chunk)
            # Reported first: the file of a job that was lost must not appear.
            job_runner.report(
                job,
                done=job.done,
                size_bytes=part.stat().st_size,
                expires_at=timezone.now() + VALID,
            )
            part.replace(path)
        except Invalid as error:
            problem = error.problems[0]
            raise JobFailed(problem.code, problem.params) from error
        except OSError as error:
            detail = error.strerror or str(error)
            raise JobFailed("export_unwritable", {"detail": detail}) from error
        finally:
            _remove(part)

    def discard(self, job: ExportJob) -> None:
        """By their names, because the folder may hold thousands of files."""
        _remove(path_of(job))
        for attempt in range(self.max_attempts + 1):
            _remove(_part_of(job, attempt))

    def cleanup(self) -> None:
        known = set(self.jobs().values_list("uid", flat=True))
        oldest = (retention_now() - VALID).timestamp()
        for path in formats.folder().iterdir():
            if path.stat().st_mtime < oldest and path.name.split(".")[0] not in known:
                _remove(path)


KIND = Exports()


def _counted(job: ExportJob, selection: rows.Selection) -> Iterator[Row]:
    for number, row in enumerate(rows.rows(selection), start=1):
        yield row
        job.done = number
        if number % REPORT_ROWS == 0:
            job_runner.report(job, done=number)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
