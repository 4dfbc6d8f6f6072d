"""Stop engines step by step. Nothing here waits: each call takes the step that is due.

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
from models_app.runs import ask_to_stop, end, move
from runtimes.drivers.base import DriverError
from runtimes.registry import driver
from runtimes.supervision.observe import handle_of, look

logger = logging.getLogger(__name__)

# Requests accepted by a gateway that had not heard of the drain must have arrived.
IDLE_S = 0.5


def advance_all() -> None:
    """Runs of another boot are ended first, all of them: a plan made while some still
    seem to live would give their room to whoever comes first."""
    here = Run.objects.live().filter(node=settings.NODE_NAME).select_related("model")
    for run in here.exclude(boot_id=clock.boot_id()):
        look(run)
    for run in here.exclude(state=RunState.READY):
        try:
            advance(run, clock.uptime())
        except DriverError as error:
            # The deadline comes again; other drivers' engines do not wait for it.
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
    """Not spawned: its launch was lost, send it again. Spawned: never got ready."""
    if run.handle is None:
        later = clock.uptime() + settings.LAUNCH_RETRY_SECONDS
        Run.objects.filter(pk=run.pk, state=run.state).update(deadline=later)
        broker.enqueue("runtimes.tasks.launch", run.uid)
    else:
        ask_to_stop(run, "start_timeout", {"seconds": settings.START_SECONDS}, 0)


def _terminate(run: Run, now: float) -> None:
    reach("stop.drained")
    if move(run, RunState.TERMINATING, deadline=now + settings.TERMINATE_SECONDS):
        reach("stop.terminating")
        driver(run.driver).terminate(handle_of(run))
        reach("stop.terminated")


def _finish(run: Run, now: float, late: bool) -> None:
    if run.handle is None:
        _find_or_abandon(run)
    elif look(run) and late:
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
