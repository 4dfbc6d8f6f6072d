"""What starting a model would do: a dry run of the real planner. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduling.planner.capacity import Need, missing_share, shortage
from scheduling.planner.plan import plan
from scheduling.planner.sites import sites
from scheduling.planner.types import (
    Gpu,
    Model,
    Node,
    Placement,
    Plan,
    Policy,
    Reason,
    Run,
    Snapshot,
    Suggestion,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    run: Run
    model: Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """impossible: what the closest machine lacks even with nothing running on it; None
    if some machine could run the model."""

    placements: tuple[Placement, ...]
    evictions: tuple[Victim, ...]
    reason: Reason | None
    impossible: Reason | None = None

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        return self.reason.suggestions if self.reason else ()


def preview(model: Model, snapshot: Snapshot, policy: Policy, now: float) -> Preview:
    """As if the model were started now, or restarted where it runs: its own room counts
    as free. Evictions are matched by the model's name, which must be unique."""
    assumed = _with(model, snapshot)
    decided = plan(assumed, policy, now)
    return Preview(
        placements=tuple(p for p in decided.placements if p.model_id == model.id),
        evictions=_evicted_by(model, assumed, decided),
        reason=decided.reasons.get(model.id),
        impossible=_never_fits(model, snapshot.nodes, policy),
    )


def _never_fits(model: Model, nodes: Sequence[Node], policy: Policy) -> Reason | None:
    """Only sizes count: whatever uses memory now, ours or foreign, may end."""
    need = Need.of(model, policy)
    bare = [replace(n, gpus=tuple(map(_unmeasured, n.gpus))) for n in nodes]
    rooms = [site.empty for site in sites(bare, (), policy)]
    if not rooms or any(room.fits(need) for room in rooms):
        return None
    return shortage(min(rooms, key=lambda room: missing_share(room, need)), need)


def _unmeasured(gpu: Gpu) -> Gpu:
    return replace(gpu, free_mib=None)


def _with(model: Model, snapshot: Snapshot) -> Snapshot:
    own = [run for run in snapshot.runs if run.model_id == model.id]
    return Snapshot(
        nodes=tuple(_without(own, node) for node in snapshot.nodes),
        models=(*(m for m in snapshot.models if m.id != model.id), model),
        runs=tuple(run for run in snapshot.runs if run.model_id != model.id),
    )


def _without(runs: list[Run], node: Node) -> Node:
    here = [run for run in runs if run.node == node.name]
    return replace(node, gpus=tuple(_freed(gpu, here) for gpu in node.gpus))


def _freed(gpu: Gpu, runs: list[Run]) -> Gpu:
    """With the memory of these runs counted as free."""
    if gpu.free_mib is None:
        return gpu
    freed = sum(run.used_mib(gpu.uuid) for run in runs)
    return replace(gpu, free_mib=min(gpu.free_mib + freed, gpu.memory_mib))


def _evicted_by(model: Model, snapshot: Snapshot, decided: Plan) -> tuple[Victim, ...]:
    runs = {run.uid: run for run in snapshot.runs}
    models = {m.id: m for m in snapshot.models}
    victims = [
        runs[stop.run_uid]
        for stop in decided.stops
        if stop.code == "preempted" and stop.params["by"] == model.name
    ]
    return tuple(Victim(run=run, model=models[run.model_id]) for run in victims)
