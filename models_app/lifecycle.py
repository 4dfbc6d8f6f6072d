"""Changes of a served model's desired state and of its status.

Entry points (API, admin, commands) call a `request_…` verb; sensors and the scheduler
call `reconcile_status` after they changed runs. The status changes under a lock or by
compare-and-swap only, with its activity row in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from common import broker
from common.exceptions import Conflict
from models_app.activity import Actor, event_of
from models_app.enums import TRANSITIONS, Desired, Operation, RunState, Status
from models_app.models import Activity, Run, ServedModel

DESIRED = {
    Operation.START: Desired.RUNNING,
    Operation.RESTART: Desired.RUNNING,
    Operation.STOP: Desired.STOPPED,
}
# Models in one transaction, for which all other writers of SQLite wait.
BATCH = 500
LiveRuns = list[tuple[str, int]]  # state and generation of runs that have not ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Why a model that should run has no run (`waiting` or `error`), or why its status
    is uncertain."""

    status: Status
    code: str
    params: dict[str, object] = field(default_factory=dict)


def request_start(model: ServedModel, actor: Actor = None) -> ServedModel:
    return _request(model, Operation.START, actor)


def request_restart(model: ServedModel, actor: Actor = None) -> ServedModel:
    return _request(model, Operation.RESTART, actor)


def request_stop(model: ServedModel, actor: Actor = None) -> ServedModel:
    return _request(model, Operation.STOP, actor)


def _request(model: ServedModel, operation: Operation, actor: Actor) -> ServedModel:
    """Raises what request_all() returns."""
    if refused := request_all([model], operation, actor):
        raise refused[model.pk]
    model.refresh_from_db()
    return model


def request_all(
    models: Sequence[ServedModel], operation: Operation, actor: Actor = None
) -> dict[int, Conflict]:
    """The refused ones, by id; all others are done. operation: start, restart or stop.

    A refusal is operation_not_allowed, or conflict when another request came first.
    """
    refused: dict[int, Conflict] = {}
    for start in range(0, len(models), BATCH):
        with transaction.atomic():
            batch = models[start : start + BATCH]
            refused |= _request_batch(batch, operation, actor)
    if len(refused) < len(models):
        broker.notify_change()
    return refused


def _request_batch(
    models: Sequence[ServedModel], operation: Operation, actor: Actor
) -> dict[int, Conflict]:
    """In a transaction, whose locks take the place of compare-and-swap."""
    rows = ServedModel.objects.filter(pk__in=[model.pk for model in models])
    rows = rows.only("name", "status", "desired_state", "generation")
    current = {row.pk: row for row in rows.order_by("pk").select_for_update()}
    live = _live_by_model(current)
    refused: dict[int, Conflict] = {}
    changes: list[tuple[ServedModel, Status]] = []
    for model in models:
        try:
            row = _unchanged(model, current.get(model.pk))
            changes.append((row, _status_after(row, operation, live[row.pk])))
        except Conflict as conflict:
            refused[model.pk] = conflict
    _write(changes, operation, actor)
    return refused


def _unchanged(model: ServedModel, row: ServedModel | None) -> ServedModel:
    """The status may have changed since `model` was read, what people want may not."""
    wanted = (model.desired_state, model.generation)
    if row is None or (row.desired_state, row.generation) != wanted:
        raise Conflict("conflict", model=model.name)
    return row


def _status_after(row: ServedModel, operation: Operation, live: LiveRuns) -> Status:
    require(row, operation)
    starts = DESIRED[operation] == Desired.RUNNING
    new = derive(DESIRED[operation], row.generation + starts, live, None)
    _check_transition(row, new)
    return new


def _write(
    changes: Sequence[tuple[ServedModel, Status]], operation: Operation, actor: Actor
) -> None:
    fields: dict[str, Any] = {"desired_state": DESIRED[operation]}
    if DESIRED[operation] == Desired.RUNNING:
        fields["generation"] = F("generation") + 1
        fields["waiting_since"] = timezone.now()
    by_status: dict[Status, list[int]] = defaultdict(list)
    events: list[Activity] = []
    for row, new in changes:
        by_status[new].append(row.pk)
        events.append(event_of(f"{operation}_requested", model=row, actor=actor))
        if new != row.status:
            events.append(_status_change(row, new, actor))
    for new, ids in by_status.items():
        ServedModel.objects.filter(pk__in=ids).update(
            status=new, reason_code="", reason_params={}, **fields
        )
    Activity.objects.bulk_create(events)


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


def _live(model: ServedModel) -> LiveRuns:
    return list(model.runs.live().values_list("state", "generation"))


def _live_by_model(ids: Iterable[int]) -> dict[int, LiveRuns]:
    live: dict[int, LiveRuns] = defaultdict(list)
    runs = Run.objects.live().filter(model__in=ids)
    rows = runs.values_list("model_id", "state", "generation")
    for model_id, state, generation in rows:
        live[model_id].append((state, generation))
    return live


def _check_transition(model: ServedModel, new: Status) -> None:
    if new != model.status and new not in TRANSITIONS[Status(model.status)]:
        raise Conflict("conflict", model=model.name)


def _status_change(
    model: ServedModel, new: Status, actor: Actor = None, why: Blocked | None = None
) -> Activity:
    reason = (why.code, why.params) if why else ("", {})
    params: dict[str, object] = {"old": model.status, "new": str(new)}
    return event_of(
        "status_changed", model=model, actor=actor, reason=reason, params=params
    )


def _swap(model: ServedModel, new: Status, why: Blocked | None) -> None:
    """Nothing when status or desired state have changed since `model` was read."""
    _check_transition(model, new)
    reason = (why.code, why.params) if why else ("", {})
    unchanged = ServedModel.objects.filter(
        pk=model.pk,
        status=model.status,
        desired_state=model.desired_state,
        generation=model.generation,
    )
    with transaction.atomic():
        if not unchanged.update(
            status=new, reason_code=reason[0], reason_params=reason[1]
        ):
            return
        if new != model.status:
            _status_change(model, new, why=why).save(force_insert=True)
        broker.publish_change_on_commit()


def derive(
    desired: str,
    generation: int,
    live: LiveRuns,
    blocked: Blocked | None,
) -> Status:
    """The status that users see, from the desired state and the runs. Pure.

    live: (state, generation) of each run that has not ended.
    """
    if desired == Desired.STOPPED:
        return Status.STOPPING if live else Status.STOPPED
    current = {state for state, of in live if of == generation}
    if RunState.READY in current:
        return Status.RUNNING
    if current & RunState.COMING:
        return Status.STARTING
    if live:
        return Status.STOPPING
    return blocked.status if blocked else Status.STARTING
