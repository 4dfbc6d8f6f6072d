"""The runner of every long job: exports, downloads, image pulls.

A new kind of job costs a model derived from common.models.Job, a Kind derived from the
class below, and one register() in AppConfig.ready().

1. submit() commits a row and enqueues start_due().
2. start_due(), a short task, starts `manage.py run_jobs KIND` where a job is due. That
   process ends with the one that started it, and takes hours if it has to: no worker of
   the task queue is held, and no task timeout applies.
3. The process (common.job_runner) claims one job after the other by compare-and-swap,
   runs it and shows a heartbeat meanwhile. Every write repeats the claim, so a job that
   was cancelled or taken over is never written to.
4. One recovery rule: a job in work without a heartbeat for SILENT_S is claimed again,
   or fails after max_attempts. The monitor enqueues start_due() whenever is_due(), so a
   lost notice or process costs seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from common import broker
from common.exceptions import AlreadyExists, Conflict
from common.messages import Text
from common.models import Job, JobState
from common.retention import retention_now

TASK = "common.tasks.start_jobs"
# A process that young may not have claimed its job yet.
STARTING_S = 5.0
BACK_OFF_S = 10.0
LONGEST_BACK_OFF_S = 300.0
BATCH = 100  # removed in one transaction

J = TypeVar("J", bound=Job)
Params = dict[str, Any]


class JobFailed(Exception):
    """The expected end of a job that did not work. retry: it may work later, without
    anybody's doing, but not before wait_s."""

    def __init__(
        self,
        code: str,
        params: Mapping[str, object] | None = None,
        retry: bool = False,
        wait_s: float = 0.0,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.params = dict(params or {})
        self.retry = retry
        self.wait_s = wait_s


class JobLost(Exception):
    """The job was cancelled, deleted or claimed by another process."""


class Kind(Generic[J]):
    """What differs between kinds of jobs. parallel: how many run at once. spawned:
    whether processes are started for it. interrupted: code of a job whose process was
    killed again and again. crashed: code of a job that ended with an unexpected
    exception."""

    name: str
    title: Text
    model: type[J]
    parallel = 1
    spawned = True
    max_attempts = 3
    keep = timedelta(days=30)
    interrupted = "job_interrupted"
    crashed = "job_crashed"

    def run(self, job: J) -> None:
        """Do the work; report() progress now and then. Raises JobFailed or JobLost."""
        raise NotImplementedError

    def delay(self, attempts: int, failure: JobFailed) -> float:
        """Seconds until the next attempt, after so many."""
        delay = BACK_OFF_S * 2.0 ** max(0, attempts - 1)
        return max(failure.wait_s, min(delay, LONGEST_BACK_OFF_S))

    def visible_to(self, user: Any) -> QuerySet[J]:
        """Jobs that this user may see."""
        raise NotImplementedError

    def may_change(self, user: Any, job: J) -> bool:
        """Whether this user, who sees the job, may cancel and retry it."""
        raise NotImplementedError

    def exists(self, job: J) -> AlreadyExists:
        """For a job that violates a unique constraint of its model."""
        raise NotImplementedError

    def refusal(self, job: J) -> Conflict:
        """Its state does not allow to cancel or retry it."""
        label = job.states(job.state).label
        return Conflict("job_not_allowed", job=str(job), state=label)

    def on_event(self, event: str, job: J, actor: Any = None) -> None:
        """Record activity: requested, cancelled, removed, done or failed."""

    def discard(self, job: J) -> None:
        """Remove what a job leaves behind that ended without a result."""

    def cleanup(self) -> None:
        """Remove leftovers of jobs without a row."""

    def jobs(self) -> QuerySet[J]:
        return self.model._default_manager.all()

    def open_jobs(self) -> QuerySet[J]:
        return self.jobs().filter(state__in=self.model.states.OPEN)


_kinds: dict[str, Kind[Any]] = {}
# Children of this process; polled, so that none stays a zombie.
_started: list[tuple[str, subprocess.Popen[bytes], float]] = []


def register(kind: Kind[Any]) -> None:
    _kinds[kind.name] = kind


def kind_named(name: str) -> Kind[Any]:
    return _kinds[name]


def kinds() -> list[Kind[Any]]:
    """Those that processes are started for."""
    return [kind for kind in _kinds.values() if kind.spawned]


def kind_of(job: Job) -> Kind[Any]:
    return next(kind for kind in _kinds.values() if kind.model is type(job))


# What people do with jobs


def submit(job: J, actor: Any = None) -> J:
    """job: not saved yet. Raises AlreadyExists."""
    kind = kind_of(job)
    job.created_by = actor if getattr(actor, "pk", None) else None
    with _unique(kind, job), transaction.atomic():
        job.save(force_insert=True)
        kind.on_event("requested", job, actor)
        broker.enqueue(TASK)
    return job


def cancel(job: J, actor: Any = None) -> J:
    """Its process notices at its next report. Raises Conflict."""
    kind = kind_of(job)
    with transaction.atomic():
        ended = {"finished_at": timezone.now(), "retry_at": None, "heartbeat": None}
        if (
            not kind.open_jobs()
            .filter(pk=job.pk)
            .update(state=JobState.CANCELLED, **ended)
        ):
            raise _refusal(kind, job)
        kind.on_event("cancelled", job, actor)
        broker.enqueue(TASK)  # the next one may start
    job.refresh_from_db()
    return job


def retry(job: J, actor: Any = None) -> J:
    """Raises Conflict unless it failed or was cancelled, or AlreadyExists."""
    kind = kind_of(job)
    over = (JobState.FAILED, JobState.CANCELLED)
    fresh: Params = {
        "state": JobState.QUEUED, "claim": "", "code": "", "params": {}, "attempts": 0,
        "finished_at": None, "retry_at": None, "retry_uptime": None,
    }  # fmt: skip
    with _unique(kind, job), transaction.atomic():
        if not kind.jobs().filter(pk=job.pk, state__in=over).update(**fresh):
            raise _refusal(kind, job)
        kind.on_event("requested", job, actor)
        broker.enqueue(TASK)
    job.refresh_from_db()
    return job


def remove(job: Job, actor: Any = None) -> None:
    """The row and whatever is not a result. A process that works on it discards its
    part itself."""
    kind = kind_of(job)
    with transaction.atomic():
        deleted, _ = kind.jobs().filter(pk=job.pk).delete()
        if deleted:
            kind.on_event("removed", job, actor)
    if job.state not in kind.model.states.WORKING:
        kind.discard(job)
    broker.enqueue(TASK)


@contextmanager
def _unique(kind: Kind[J], job: J) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise kind.exists(job) from None


def _refusal(kind: Kind[J], job: J) -> Conflict:
    job.refresh_from_db()
    return kind.refusal(job)


# Start processes


def is_due() -> bool:
    """Whether a job waits for a process, or lost its own."""
    return any(claimable(kind) for kind in kinds())


def start_due() -> None:
    """A process too many finds nothing to claim, and ends."""
    now = time.monotonic()
    _started[:] = [entry for entry in _started if entry[1].poll() is None]
    for kind in kinds():
        young = sum(
            name == kind.name and at > now - STARTING_S for name, _, at in _started
        )
        for _ in range(len(claimable(kind)) - young):
            _started.append((kind.name, _spawn(kind), now))


def _spawn(kind: Kind[Any]) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "manage.py", "run_jobs", kind.name, str(os.getpid())]
    return subprocess.Popen(argv, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)


def claimable(kind: Kind[J]) -> list[J]:
    """As many as may run beside those that do; those without a process first."""
    found = list(kind.open_jobs().order_by("pk"))
    working = [job for job in found if job.state in kind.model.states.WORKING]
    silent = [job for job in working if job.is_silent]
    free = kind.parallel - (len(working) - len(silent))
    return [*silent, *(job for job in found if job.is_due)][: max(0, free)]


# Clean up


def cleanup() -> None:
    """Remove jobs that are over and too old, with what they left."""
    now = retention_now()
    for kind in _kinds.values():
        while removed := _remove_ended(kind, now):
            for job in removed:
                kind.discard(job)
        kind.cleanup()


@transaction.atomic
def _remove_ended(kind: Kind[J], now: datetime) -> list[J]:
    """BATCH of them at most, under a lock: none is retried meanwhile."""
    over = kind.jobs().exclude(state__in=kind.model.states.OPEN)
    ended = over.alias(ended=Coalesce("finished_at", "created_at"))
    old = Q(ended__lt=now - kind.keep) | Q(expires_at__lt=now)
    jobs = list(ended.filter(old).order_by("pk").select_for_update()[:BATCH])
    kind.jobs().filter(pk__in=[job.pk for job in jobs]).delete()
    return jobs
