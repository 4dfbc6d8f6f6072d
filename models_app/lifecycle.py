"""Every change of a served model's wanted state and of its status.

Entry points (API, admin, commands) call a `request_…` verb; sensors and the scheduler
call `settle` after they changed runs. Status moves by compare-and-swap only, with its
activity row in the same transaction.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from models_app import nudge
from models_app.activity import Actor, record
from models_app.enums import TRANSITIONS, Desired, Operation, Status
from models_app.exceptions import Conflict
from models_app.models import ServedModel
from models_app.status import Blocked, derive


def request_start(model: ServedModel, actor: Actor = None) -> ServedModel:
    return _request(model, Operation.START, actor, **_a_new_generation())


def request_restart(model: ServedModel, actor: Actor = None) -> ServedModel:
    return _request(model, Operation.RESTART, actor, **_a_new_generation())


def request_stop(model: ServedModel, actor: Actor = None) -> ServedModel:
    return _request(model, Operation.STOP, actor, desired_state=Desired.STOPPED)


def _a_new_generation() -> dict[str, Any]:
    return {
        "desired_state": Desired.RUNNING,
        "generation": F("generation") + 1,
        "waiting_since": timezone.now(),
    }


def _request(
    model: ServedModel, operation: Operation, actor: Actor, **wanted: Any
) -> ServedModel:
    """Raises Conflict operation_not_allowed, or conflict when another writer won."""
    require(model, operation)
    with transaction.atomic():
        swapped = ServedModel.objects.filter(
            pk=model.pk, status=model.status, generation=model.generation
        ).update(**wanted, updated_at=timezone.now())
        if not swapped:
            raise Conflict("conflict", model=model.name)
        record(f"{operation}_requested", model=model, actor=actor)
        settle(model.pk)
        nudge.changed()
    model.refresh_from_db()
    return model


def require(model: ServedModel, operation: Operation) -> None:
    if operation not in model.allowed_operations():
        raise Conflict(
            "operation_not_allowed",
            model=model.name,
            status=model.status,
            operation=str(operation),
            allowed=[str(allowed) for allowed in model.allowed_operations()],
        )


def settle(model_id: int, blocked: Blocked | None = None) -> None:
    """Make the status what the runs say.

    blocked: why a wanted model has no run; without it, it counts as starting until the
    next tick knows better. A lost swap is left to whoever won it: they settle too.
    """
    model = ServedModel.objects.filter(pk=model_id).first()
    if model is None:
        return
    live = model.runs.live().values_list("state", "generation")
    new = derive(model.desired_state, model.generation, live, blocked)
    _swap(model, new, blocked if blocked and new == blocked.status else None)


def _swap(model: ServedModel, new: Status, why: Blocked | None) -> None:
    reason = (why.code, why.params) if why else ("", {})
    if (new, *reason) == (model.status, model.reason_code, model.reason_params):
        return
    moved = new != model.status
    if moved and new not in TRANSITIONS[Status(model.status)]:
        raise Conflict("conflict", model=model.name)
    with transaction.atomic():
        swapped = ServedModel.objects.filter(
            pk=model.pk,
            status=model.status,
            desired_state=model.desired_state,
            generation=model.generation,
        ).update(status=new, reason_code=reason[0], reason_params=reason[1])
        if swapped and moved:
            change: dict[str, object] = {"old": model.status, "new": str(new)}
            record("status_changed", model=model, reason=reason, params=change)
        if swapped:
            nudge.announce_on_commit()
