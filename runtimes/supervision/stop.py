"""Stops engines step by step. Nothing here waits: each call takes the step that is due.

draining -> (idle, or deadline) SIGTERM -> (deadline) SIGKILL to all -> gone -> ended.
The state is swapped before the signal is sent: a signal lost with its sender costs a
deadline, never a second one.
"""

from __future__ import annotations

import logging

from django.conf import settings

from common import broker, clock
from common.failpoints import reach
from models_app.enums import RunState
from models_app.models import Run
from models_app.runs import end, move, request_run_stop
from runtimes.drivers.base import DriverError
from runtimes.registry import driver
from runtimes.supervision.observe import check, handle_of

logger = logging.getLogger(__name__)

# Requests that a gateway accepted before it knew of the drain must have arrived.
IDLE_S = 0.5


def advance_all() -> None:
    """Ends all runs of another boot first: a plan made while some of them still seem
    to live would give the resources of the others to lower priorities."""
    here = Run.objects.live().filter(node=settings.NODE_NAME).select_related("model")
    for run in here.exclude(boot_id=clock.boot_id()):
        check(run)
    for run in here.exclude(state=RunState.READY):
        try:
            advance(run, clock.uptime())
        except DriverError as error:
            # Tried again at the deadline; other drivers' engines must not wait.
            logger.warning("run %s: %s", run.uid, error)


def advance(run: Run, now: float) -> None:
    late = run.deadline is not None and now >= run.deadline
    if run.state in RunState.COMING and late:
        _overdue(run)
    elif run.state == RunState.DRAINING and (late or _idle(run, now)):
        _terminate(run, now)
    elif run.state in (RunState.TERMINATING, RunState.KILLING):
        _finish(run, now, late)


def _idle(run: Run, now: float) -> bool:
    return run.idle_since is not None and now - run.idle_since >= IDLE_S


def _overdue(run: Run) -> None:
    """Without a handle its launch was lost, and is enqueued again. With one, the
    engine did not get ready in time."""
    if run.handle is None:
        later = clock.uptime() + settings.LAUNCH_RETRY_SECONDS
        Run.objects.filter(pk=run.pk, state=run.state).update(deadline=later)
        broker.enqueue("runtimes.tasks.launch", run.uid)
    else:
        request_run_stop(run, "start_timeout", {"seconds": settings.START_SECONDS}, 0)


def _terminate(run: Run, now: float) -> None:
    reach("stop.drained")
    if move(run, RunState.TERMINATING, deadline=now + settings.TERMINATE_SECONDS):
        reach("stop.terminating")
        driver(run.driver).terminate(handle_of(run))
        reach("stop.terminated")


def _finish(run: Run, now: float, late: bool) -> None:
    if run.handle is None:
        _find_or_abandon(run)
    elif check(run) and late:
        _kill(run, now)


def _kill(run: Run, now: float) -> None:
    """Again at each deadline: a process in uninterruptible sleep dies when it can, and
    holds its resources until then."""
    deadline = now + settings.TERMINATE_SECONDS
    if run.state == RunState.KILLING:
        Run.objects.filter(pk=run.pk, state=run.state).update(deadline=deadline)
    else:
        move(run, RunState.KILLING, deadline=deadline)
    reach("stop.killing")
    driver(run.driver).kill(handle_of(run))
    reach("stop.killed")


def _find_or_abandon(run: Run) -> None:
    """Stopped between intent and spawn: either an engine exists by now and is stopped,
    or it is made sure that it never will."""
    runs_on = driver(run.driver)
    if runs_on.abandon(run.uid):
        end(run, "launch_lost")
    elif handle := runs_on.find(run.uid):
        Run.objects.filter(pk=run.pk, handle__isnull=True).update(
            handle=handle.to_json()
        )
        runs_on.terminate(handle)
