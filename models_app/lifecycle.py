"""Changes of a served model's desired state and of its status.

Entry points (API, admin, commands) call a `request_…` verb; sensors and the scheduler
call `reconcile_status` after they changed runs. The status changes by compare-and-swap
only, with its activity row in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from common import broker
from common.exceptions import Conflict
from models_app.activity import Actor, record
from models_app.enums import TRANSITIONS, Desired, Operation, RunState, Status
from models_app.models import ServedModel

SWAPS_TRIED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Why a model that should run has no run (`waiting` or `error`), or why its status
    is uncertain."""

    status: Status
    code: str
    params: dict[str, object] = field(default_factory=dict)


def request_start(model: ServedModel, actor: Actor = None) -> ServedModel:
    return _request(model, Operation.START, Desired.RUNNING, actor)


def request_restart(model: ServedModel, actor: Actor = None) -> ServedModel:
    return _request(model, Operation.RESTART, Desired.RUNNING, actor)


def request_stop(model: ServedModel, actor: Actor = None) -> ServedModel:
    return _request(model, Operation.STOP, Desired.STOPPED, actor)


def _request(
    model: ServedModel, operation: Operation, desired: Desired, actor: Actor
) -> ServedModel:
    """Retries when only the status has changed in the meantime. Raises Conflict
    operation_not_allowed, or conflict when another request came first."""
    desired_before = (model.desired_state, model.generation)
    for _ in range(SWAPS_TRIED):
        require(model, operation)
        if _set_desired(model, operation, desired, actor):
            model.refresh_from_db()
            return model
        model.refresh_from_db()
        if (model.desired_state, model.generation) != desired_before:
            break
    raise Conflict("conflict", model=model.name)


def _set_desired(
    model: ServedModel, operation: Operation, desired: Desired, actor: Actor
) -> bool:
    changes: dict[str, Any] = {"desired_state": desired, "generation": model.generation}
    if desired == Desired.RUNNING:
        changes["generation"] += 1
        changes["waiting_since"] = timezone.now()
    with transaction.atomic():
        activity = record(f"{operation}_requested", model=model, actor=actor)
        new = derive(desired, changes["generation"], _live(model), None)
        if not _swap(model, new, None, actor, **changes):
            activity.delete()
            return False
        broker.notify_change()
    return True


def require(model: ServedModel, operation: Operation) -> None:
    if operation not in model.allowed_operations():
        raise Conflict(
            "operation_not_allowed",
            model=model.name,
            status=model.status,
            operation=str(operation),
            allowed=[str(allowed) for allowed in model.allowed_operations()],
        )


def reconcile_status(model_id: int, blocked: Blocked | None = None) -> None:
    """Derive the status from the runs.

    blocked: why a model that should run has no run. Without it, the model counts as
    starting until the next tick. A lost swap needs no retry: the winner calls this too.
    """
    model = ServedModel.objects.filter(pk=model_id).first()
    if model is None:
        return
    new = derive(model.desired_state, model.generation, _live(model), blocked)
    why = blocked if blocked and new == blocked.status else _unseen(model, new)
    reason = (why.code, why.params) if why else ("", {})
    if (new, *reason) != (model.status, model.reason_code, model.reason_params):
        _swap(model, new, why)


def _unseen(model: ServedModel, status: Status) -> Blocked | None:
    run = model.runs.live().filter(unseen=True).first()
    params: dict[str, object] = {"driver": run.driver} if run else {}
    return Blocked(status=status, code="engine_unseen", params=params) if run else None


def _live(model: ServedModel) -> Iterable[tuple[str, int]]:
    return model.runs.live().values_list("state", "generation")


def _swap(
    model: ServedModel,
    new: Status,
    why: Blocked | None,
    actor: Actor = None,
    **changes: Any,
) -> bool:
    """False when status or desired state have changed since `model` was read."""
    if new != model.status and new not in TRANSITIONS[Status(model.status)]:
        raise Conflict("conflict", model=model.name)
    reason = (why.code, why.params) if why else ("", {})
    unchanged = ServedModel.objects.filter(
        pk=model.pk,
        status=model.status,
        desired_state=model.desired_state,
        generation=model.generation,
    )
    with transaction.atomic():
        swapped = unchanged.update(
            status=new, reason_code=reason[0], reason_params=reason[1], **changes
        )
        if swapped and new != model.status:
            change: dict[str, object] = {"old": model.status, "new": str(new)}
            record(
                "status_changed", model=model, actor=actor, reason=reason, params=change
            )
        if swapped:
            broker.publish_change_on_commit()
    return bool(swapped)


def derive(
    desired: str,
    generation: int,
    live: Iterable[tuple[str, int]],
    blocked: Blocked | None,
) -> Status:
    """The status that users see, from the desired state and the runs. Pure.

    live: (state, generation) of each run that has not ended.
    """
    runs = list(live)
    if desired == Desired.STOPPED:
        return Status.STOPPING if runs else Status.STOPPED
    current = {state for state, of in runs if of == generation}
    if RunState.READY in current:
        return Status.RUNNING
    if current & RunState.COMING:
        return Status.STARTING
    if runs:
        return Status.STOPPING
    return blocked.status if blocked else Status.STARTING
