"""The live part of a model's page: operations, runs, log and activity."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from common.exceptions import PlatformError
from models_app.admin.operations import buttons, may_approve, may_operate
from models_app.approvals import setup_of
from models_app.enums import Operation
from models_app.models import Activity, Approval, Run, ServedModel
from models_app.permissions import DELETE
from models_app.ports import log_tail

LOG_LINES = 200
LOG_BYTES = 64 * 1024
ENDED_RUNS = 5
EVENTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A setting that needs an administrator's approval, and its last one."""

    key: str
    approval: Approval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    model: ServedModel
    operations: list[Operation]
    approvals: list[Consent]
    may_approve: bool
    stop_to_delete: bool
    live_runs: list[Run]
    ended_runs: list[Run]
    log_of: Run | None
    log: str
    activity: list[Activity]

    @property
    def restart_needed(self) -> bool:
        return any(run.outdated_fields() for run in self.live_runs)


def panel_of(model: ServedModel, request: HttpRequest) -> Panel:
    live = list(model.runs.live().order_by("replica"))
    ended = list(model.runs.ended().order_by("-pk")[:ENDED_RUNS])
    allowed = model.allowed_operations()
    newest = max(live or ended, key=lambda run: run.pk, default=None)
    return Panel(
        model=model,
        operations=buttons(model) if may_operate(request) else [],
        approvals=_approvals(model),
        may_approve=may_approve(request),
        stop_to_delete=_may_delete(request) and Operation.DELETE not in allowed,
        live_runs=live,
        ended_runs=ended,
        log_of=newest,
        log=log_lines(newest) if newest else "",
        activity=list(model.activity.newest()[:EVENTS]),
    )


def _approvals(model: ServedModel) -> list[Consent]:
    """Without a look at the model's files: this is shown every two seconds."""
    keys = setup_of(model).keys()
    known = {row.key: row for row in model.approvals.all()} if keys else {}
    return [Consent(key=key, approval=known.get(key)) for key in keys]


def log_lines(run: Run) -> str:
    try:
        text = log_tail.get()(run, LOG_BYTES)
    except PlatformError:  # the driver is no longer installed
        text = run.log_tail
    return "\n".join(text.splitlines()[-LOG_LINES:])


def _may_delete(request: HttpRequest) -> bool:
    return request.user.has_perm(DELETE)
