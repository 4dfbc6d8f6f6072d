"""Record what the scheduler decided, in the same transaction as its effect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings

from common.retention import retention_now
from models_app.models import Run, ServedModel
from scheduling.enums import DecisionKind
from scheduling.models import Decision
from scheduling.planner.types import Reason


def record_placement(run: Run) -> None:
    params = {"node": run.node, "replica": run.replica, "gpus": run.gpu_uuids}
    _record(DecisionKind.PLACEMENT, run.model, "run_scheduled", params, run)


def record_eviction(run: Run, code: str, params: Mapping[str, object]) -> None:
    details = {"node": run.node, "replica": run.replica, **params}
    _record(DecisionKind.EVICTION, run.model, code, details, run)


def record_reason(model: ServedModel, reason: Reason) -> None:
    _record(DecisionKind.REASON, model, reason.code, reason.params)


def is_new_reason(model: ServedModel, reason: Reason) -> bool:
    """Ignores how much is free: that changes with every start and stop, and each of
    them would add a row for every waiting model."""
    return (model.reason_code, _without_free(model.reason_params)) != (
        reason.code,
        _without_free(reason.params),
    )


def _without_free(params: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in params.items() if name != "free"}


def _record(
    kind: DecisionKind,
    model: ServedModel,
    code: str,
    params: Mapping[str, object],
    run: Run | None = None,
) -> None:
    Decision.objects.create(
        kind=kind, model=model, model_name=model.name, priority=model.priority,
        run_uid=run.uid if run else "", code=code, params=dict(params),
    )  # fmt: skip


def delete_old() -> None:
    oldest = retention_now() - timedelta(days=settings.DECISION_DAYS)
    Decision.objects.filter(at__lt=oldest).delete()
