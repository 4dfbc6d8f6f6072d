"""Write down what the scheduler decided, in the transaction of its effect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from models_app.models import Run, ServedModel
from scheduling.enums import DecisionKind
from scheduling.models import Decision
from scheduling.planner.types import Reason

# Old rows are looked for once in so many new ones: those kept too long are few.
FORGET_EVERY = 100


def record_placement(run: Run) -> None:
    params = {"node": run.node, "replica": run.replica, "gpus": run.gpu_uuids}
    _note(DecisionKind.PLACEMENT, run.model, "run_scheduled", params, run)


def record_eviction(run: Run, code: str, params: Mapping[str, object]) -> None:
    known = {"node": run.node, "replica": run.replica, **params}
    _note(DecisionKind.EVICTION, run.model, code, known, run)


def record_reason(model: ServedModel, reason: Reason) -> None:
    _note(DecisionKind.REASON, model, reason.code, reason.params)


def is_new_reason(model: ServedModel, reason: Reason) -> bool:
    """How much is free changes with every start and stop anywhere: no news by itself,
    or each of them would be a row for each model that waits."""
    return (model.reason_code, _gist(model.reason_params)) != (
        reason.code,
        _gist(reason.params),
    )


def _gist(params: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in params.items() if name != "free"}


def _note(
    kind: DecisionKind,
    model: ServedModel,
    code: str,
    params: Mapping[str, object],
    run: Run | None = None,
) -> None:
    made = Decision.objects.create(
        kind=kind, model=model, model_name=model.name, priority=model.priority,
        run_uid=run.uid if run else "", code=code, params=dict(params),
    )  # fmt: skip
    if made.pk % FORGET_EVERY == 0:
        oldest = timezone.now() - timedelta(days=settings.DECISION_DAYS)
        Decision.objects.filter(at__lt=oldest).delete()
