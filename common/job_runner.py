"""What the process of a job does: claim it, run it, show heartbeats, end it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from common import clock
from common.jobs import J, JobFailed, JobLost, Kind, Params, claimable, kind_of
from common.models import Job, JobState, new_uid

logger = logging.getLogger(__name__)

BEAT_S = 2.0


def work(kind: Kind[J], *, beats: bool = True) -> None:
    """Until no job is due. beats: show heartbeats from a thread of its own, for work
    that is silent for minutes."""
    while (job := claim(kind)) is not None:
        with _beating(job) if beats else _quiet():
            run(kind, job)


@transaction.atomic
def claim(kind: Kind[J]) -> J | None:
    """The oldest open row serves as the lock of all processes."""
    kind.open_jobs().order_by("pk").select_for_update().first()
    for job in claimable(kind):
        if take(kind, job):
            job.refresh_from_db()
            return job
    return None


def take(kind: Kind[J], job: J) -> bool:
    """False: another process was faster, or it was started too often in vain."""
    as_read = kind.jobs().filter(pk=job.pk, state=job.state, claim=job.claim)
    if job.attempts >= kind.max_attempts:
        _end(kind, job, as_read, JobState.FAILED, JobFailed(kind.interrupted))
        return False
    claimed: Params = {
        "state": JobState.RUNNING,
        "claim": new_uid(),
        "attempts": job.attempts + 1,
        "heartbeat": clock.uptime(),
        "boot_id": clock.boot_id(),
        "retry_at": None,
        "retry_uptime": None,
    }
    return bool(as_read.update(**claimed, started_at=Coalesce("started_at", Now())))


def run(kind: Kind[J], job: J) -> None:
    """A claimed job, to its end."""
    try:
        kind.run(job)
    except JobLost:
        logger.info("job %s %s: lost", kind.name, job.uid)
    except JobFailed as failure:
        _fail(kind, job, failure)
    except Exception:
        logger.exception("job %s %s: unexpected error", kind.name, job.uid)
        _fail(kind, job, JobFailed(kind.crashed))
    else:
        _end(kind, job, mine(job), JobState.DONE)
    if not kind.jobs().filter(pk=job.pk).exists():
        kind.discard(job)


def mine(job: J) -> QuerySet[J]:
    """The row, as long as nobody cancelled it or claimed it again."""
    kind = kind_of(job)
    found: QuerySet[J] = kind.jobs().filter(
        pk=job.pk, claim=job.claim, state__in=job.states.WORKING
    )
    return found


def report(job: Job, **fields: Any) -> None:
    """Write progress, with a heartbeat. A database that is away costs heartbeats only.
    Raises JobLost."""
    try:
        if mine(job).update(heartbeat=clock.uptime(), **fields):
            return
    except DatabaseError as error:
        logger.error("job %s: cannot report progress: %s", job.uid, error)
        close_old_connections()
        return
    raise JobLost


def _fail(kind: Kind[J], job: J, failure: JobFailed) -> None:
    attempts = mine(job).values_list("attempts", flat=True).first()
    if failure.retry and attempts is not None and attempts < kind.max_attempts:
        delay = kind.delay(attempts, failure)
        mine(job).update(
            state=JobState.QUEUED,
            code=failure.code,
            params=failure.params,
            heartbeat=None,
            retry_at=timezone.now() + timedelta(seconds=delay),
            retry_uptime=clock.uptime() + delay,
        )
    else:
        _end(kind, job, mine(job), JobState.FAILED, failure)


def _end(
    kind: Kind[J],
    job: J,
    rows: QuerySet[J],
    state: JobState,
    failure: JobFailed | None = None,
) -> None:
    code, params = (failure.code, failure.params) if failure else ("", {})
    ended = {"state": state, "code": code, "params": params}
    with transaction.atomic():
        if rows.update(**ended, finished_at=timezone.now(), heartbeat=None):
            job.refresh_from_db()
            kind.on_event(str(state), job)


@contextmanager
def _quiet() -> Iterator[None]:
    yield


@contextmanager
def _beating(job: Job) -> Iterator[None]:
    stop = threading.Event()

    def beat() -> None:
        try:
            while not stop.wait(BEAT_S):
                report(job)
        except JobLost:
            pass  # the next report of the work itself ends it
        finally:
            connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
