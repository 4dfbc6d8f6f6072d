"""States of served models and runs, and what may be done in each."""

from enum import nonmember

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from common.enums import ModelKind


class Desired(TextChoices):
    RUNNING = "running", _("Running")
    STOPPED = "stopped", _("Stopped")


class Status(TextChoices):
    STOPPED = "stopped", _("Not started")
    STARTING = "starting", _("Starting")
    RUNNING = "running", _("Running")
    STOPPING = "stopping", _("Stopping")
    ERROR = "error", _("Error")
    WAITING = "waiting", _("Waiting for resources")


class Operation(TextChoices):
    START = "start", _("Start")
    STOP = "stop", _("Stop")
    RESTART = "restart", _("Restart")
    RENAME = "rename", _("Rename")
    DELETE = "delete", _("Delete")


class RunState(TextChoices):
    SCHEDULED = "scheduled", _("Scheduled")
    STARTING = "starting", _("Starting")
    READY = "ready", _("Ready")
    DRAINING = "draining", _("Draining")
    TERMINATING = "terminating", _("Terminating")
    KILLING = "killing", _("Killing")
    ENDED = "ended", _("Ended")

    COMING = nonmember(frozenset({"scheduled", "starting"}))
    SERVING = nonmember(frozenset({"scheduled", "starting", "ready"}))
    STOPPING = nonmember(frozenset({"draining", "terminating", "killing"}))


class PlacementPolicy(TextChoices):
    BINPACK = "binpack", _("Pack: fill GPUs and machines up")
    SPREAD = "spread", _("Spread over GPUs and machines")


class TokenScope(TextChoices):
    INFERENCE = "inference", _("inference requests")
    READ = "read", _("reading the management API")
    MANAGE = "manage", _("reading and changing through the management API")
    METRICS = "metrics", _("reading /metrics")


MODEL_KINDS = {
    ModelKind.CHAT: _("Chat"),
    ModelKind.COMPLETION: _("Text completion"),
    ModelKind.EMBEDDING: _("Embedding"),
}
ALLOWED: dict[Status, tuple[Operation, ...]] = {
    Status.STOPPED: (Operation.START, Operation.RENAME, Operation.DELETE),
    Status.STARTING: (Operation.STOP,),
    Status.RUNNING: (Operation.STOP, Operation.RESTART),
    Status.STOPPING: (),
    Status.ERROR: (Operation.START, Operation.STOP, Operation.RESTART),
    Status.WAITING: (Operation.STOP,),
}

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.STOPPED: frozenset({Status.STARTING}),
    # Runs can end or start at any moment, so every other change is possible.
    Status.STARTING: frozenset(Status),
    Status.RUNNING: frozenset(Status),
    Status.STOPPING: frozenset(Status),
    Status.ERROR: frozenset(Status),
    Status.WAITING: frozenset(Status),
}

RUN_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.SCHEDULED: frozenset({RunState.STARTING, RunState.ENDED}),
    RunState.STARTING: frozenset(
        {RunState.READY, RunState.TERMINATING, RunState.ENDED}
    ),
    RunState.READY: frozenset(
        {RunState.DRAINING, RunState.TERMINATING, RunState.ENDED}
    ),
    RunState.DRAINING: frozenset({RunState.TERMINATING, RunState.ENDED}),
    RunState.TERMINATING: frozenset({RunState.KILLING, RunState.ENDED}),
    RunState.KILLING: frozenset({RunState.ENDED}),
    RunState.ENDED: frozenset(),
}


def kind_label(kind: str | None) -> str:
    """Empty if it is not known."""
    return str(MODEL_KINDS[ModelKind(kind)]) if kind else ""
