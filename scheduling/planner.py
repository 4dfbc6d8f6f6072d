"""plan(snapshot, policy, now): what to start, what to stop, and why the rest waits.

Pure and deterministic: the same picture gives the same plan, and planning again after
the plan was carried out decides nothing new. Order: priority, then waiting longest.
"""

from __future__ import annotations

from collections.abc import Iterator

from scheduling.capacity import Room
from scheduling.picture import (
    Model,
    Placement,
    Plan,
    Policy,
    Reason,
    Run,
    Snapshot,
    Stop,
)
from scheduling.recovery import Verdict, assess


def plan(snapshot: Snapshot, policy: Policy, now: float) -> Plan:
    """now: seconds since boot, the clock of EndedRun.ended."""
    models = {model.id: model for model in snapshot.models}
    rooms = [
        Room.of(node, snapshot.runs, policy.gpu_reserve_mib) for node in snapshot.nodes
    ]
    placements: list[Placement] = []
    reasons: dict[int, Reason] = {}
    for model in sorted(snapshot.models, key=_order):
        for replica in _missing(model, snapshot.runs):
            verdict = assess(model.history.get(replica, ()), policy.back_off, now)
            if not verdict.start:
                reasons.setdefault(model.id, _error(verdict))
            elif placement := _place(model, replica, rooms):
                placements.append(placement)
            else:
                reasons[model.id] = _why_not(model, rooms)
                break
    return Plan(
        stops=tuple(_stops(snapshot.runs, models)),
        placements=tuple(placements),
        reasons=reasons,
    )


def _order(model: Model) -> tuple[int, float, int]:
    return (-model.priority, model.waiting_since, model.id)


def _missing(model: Model, runs: tuple[Run, ...]) -> Iterator[int]:
    """Replicas that nothing holds: also a stopping run still holds its replica."""
    if model.wanted:
        held = {run.replica for run in runs if run.model_id == model.id}
        yield from (n for n in range(model.replicas) if n not in held)


def _place(model: Model, replica: int, rooms: list[Room]) -> Placement | None:
    """Fullest machine first: room is kept together for what comes next."""
    for room in sorted(rooms, key=lambda room: (room.cpu_cores, room.node.name)):
        if placement := room.place(model, replica):
            return placement
    return None


def _why_not(model: Model, rooms: list[Room]) -> Reason:
    if not rooms:
        return Reason(status="waiting", code="no_node")
    best = max(
        rooms,
        key=lambda room: (len(room.fitting_gpus(model)), room.cpu_cores),
    )
    return best.shortage(model)


def _error(verdict: Verdict) -> Reason:
    return Reason(status="error", code=verdict.code, params=verdict.params)


def _stops(runs: tuple[Run, ...], models: dict[int, Model]) -> Iterator[Stop]:
    for run in runs:
        code = "" if run.stopping else _why_stop(run, models.get(run.model_id))
        if code:
            yield Stop(run_uid=run.uid, code=code)


def _why_stop(run: Run, model: Model | None) -> str:
    if model is None or not model.wanted:
        return "stopped"
    if run.generation < model.generation:
        return "restarted"
    return "scaled_down" if run.replica >= model.replicas else ""
