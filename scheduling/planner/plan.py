"""plan(snapshot, policy, now): what to start, what to stop, and why the rest waits.

Pure and deterministic. Models are considered in order of priority, then of waiting
time. The first of these that is possible happens to each replica:
1. it starts where there is room now;
2. it is nominated for the room that stopping runs will free;
3. it evicts runs of lower priority, and is nominated for their room;
4. it waits, and the free part of the room it needs is reserved for it.
Models further back may use any room that is not reserved.
"""

from __future__ import annotations

from collections.abc import Iterator

from scheduling.planner.state import PlanState
from scheduling.planner.types import Gpu, Model, Plan, Policy, Run, Snapshot, Stop


def plan(snapshot: Snapshot, policy: Policy, now: float) -> Plan:
    """now: seconds since boot, the clock of EndedRun.ended."""
    models = {model.id: model for model in snapshot.models}
    stops = tuple(_stops(snapshot, models))
    state = PlanState.of(snapshot, models, stops, policy)
    queue = sorted((m for m in snapshot.models if m.wanted), key=order)
    for model in queue:
        for replica in range(model.replicas):
            state.schedule(model, replica, now)
    return Plan(
        stops=(*stops, *state.evictions),
        placements=tuple(state.placements),
        reasons=state.reasons,
    )


def order(model: Model) -> tuple[int, float, int]:
    return (-model.priority, model.waiting_since, model.id)


def _stops(snapshot: Snapshot, models: dict[int, Model]) -> Iterator[Stop]:
    gpus = {gpu.uuid: gpu for node in snapshot.nodes for gpu in node.gpus}
    for run in snapshot.runs:
        code = "" if run.stopping else _why_stop(run, models.get(run.model_id), gpus)
        if code:
            yield Stop(run_uid=run.uid, code=code)


def _why_stop(run: Run, model: Model | None, gpus: dict[str, Gpu]) -> str:
    if model is None or not model.wanted:
        return "stopped"
    if run.generation < model.generation:
        return "restarted"
    if run.replica >= model.replicas:
        return "scaled_down"
    held = [gpus[uuid] for uuid in run.gpus if uuid in gpus]
    if any(gpu.lost for gpu in held):
        return "gpu_lost"
    if any(gpu.unhealthy for gpu in held):
        return "gpu_unhealthy"
    return "gpu_drained" if any(gpu.leave for gpu in held) else ""
