"""Changes of one run. Each is a compare-and-swap on its state, so a late or repeated
effect changes nothing; what ended stays ended."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from common import broker, clock
from common.enums import Retry
from common.failpoints import reach
from common.messages import find
from models_app.activity import record
from models_app.enums import RUN_TRANSITIONS, RunState, Status
from models_app.lifecycle import Blocked, reconcile_status
from models_app.models import Run

LOG_TAIL_CHARS = 8192


def move(run: Run, new: RunState, **fields: Any) -> bool:
    """True if this call made the transition."""
    if new not in RUN_TRANSITIONS[RunState(run.state)]:
        return False
    swapped = Run.objects.filter(pk=run.pk, state=run.state).update(state=new, **fields)
    if swapped:
        run.state = new
        for name, value in fields.items():
            setattr(run, name, value)
    return bool(swapped)


def mark_ready(run: Run) -> bool:
    with transaction.atomic():
        moved = move(
            run, RunState.READY,
            ready_at=timezone.now(), ready_uptime=clock.uptime(), deadline=None,
        )  # fmt: skip
        if moved:
            record("run_ready", model=run.model, run=run, params={"node": run.node})
            reconcile_status(run.model_id)
            reach("run.getting_ready")
            broker.notify_change()
    return moved


def end(
    run: Run,
    code: str,
    params: dict[str, object] | None = None,
    *,
    exit_code: int | None = None,
    exit_signal: int | None = None,
    log_tail: str = "",
) -> bool:
    """The run is over and its resources are free. The reason it was being stopped for,
    if it was, explains its end better than how the engine left."""
    why = (run.stop_code, run.stop_params) if run.stop_code else (code, params or {})
    with transaction.atomic():
        moved = move(
            run, RunState.ENDED,
            ended_at=timezone.now(), ended_uptime=clock.uptime(),
            end_code=why[0], end_params=why[1], deadline=None,
            exit_code=exit_code, exit_signal=exit_signal,
            log_tail=log_tail[-LOG_TAIL_CHARS:].replace("\0", ""),
        )  # fmt: skip
        if moved:
            record("run_ended", model=run.model, run=run, reason=why)
            reconcile_status(run.model_id, _blocked(*why))
            reach("run.ending")
            transaction.on_commit(partial(reach, "run.ended"))
            broker.notify_change()
    return moved


def _blocked(code: str, params: dict[str, object]) -> Blocked | None:
    """An end that nobody requested is an error until the scheduler's next tick."""
    retry = find(code).retry
    if retry is Retry.REQUESTED:
        return None
    status = Status.WAITING if retry is Retry.EVICTED else Status.ERROR
    return Blocked(status=status, code=code, params=params)


def request_run_stop(
    run: Run, code: str, params: dict[str, object], drain_s: int
) -> bool:
    """First step of a stop. A run that never was ready has nothing to drain."""
    if run.state not in RunState.SERVING:
        return False
    fields = {"stop_code": code, "stop_params": params, "idle_since": None}
    ready = run.state == RunState.READY
    new = RunState.DRAINING if ready else RunState.TERMINATING
    if run.state == RunState.SCHEDULED:
        return end(run, code, params)
    deadline = clock.uptime() + (drain_s if ready else 0)
    with transaction.atomic():
        moved = move(run, new, deadline=deadline, **fields)
        if moved:
            record("run_stopping", model=run.model, run=run, reason=(code, params))
            reconcile_status(run.model_id)
            broker.notify_change()
    return moved
