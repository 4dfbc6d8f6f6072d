"""The scheduler's view of this moment, for people: always worked out anew, never
carried out, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils import timezone

from common import clock
from models_app.catalogue import imagined
from models_app.enums import Desired
from models_app.models import ServedModel
from runtimes.models import Node
from runtimes.ports import Capacity, Forecast, Shortage, Victim
from scheduling.context_sizes import smaller_contexts
from scheduling.planner import types
from scheduling.planner.plan import plan
from scheduling.planner.preview import Preview, preview
from scheduling.planner.queue import QueueEntry, queue
from scheduling.planner.sites import sites
from scheduling.planner.state import EXPLAINED
from scheduling.planner.types import Context, Reason
from scheduling.resources import Machine, machines
from scheduling.snapshot import load, load_nodes, policy, snapshot_of

LACKS = frozenset({"insufficient_cpu", "insufficient_memory", "insufficient_gpus"})


def current_queue() -> list[QueueEntry]:
    """Planned twice where somebody lacks room: only then are model files read for what
    smaller contexts would need."""
    seen, rules, now = load(), policy(), clock.uptime()
    decided = plan(seen, rules, now)
    rows = ServedModel.objects.in_bulk(decided.reasons)
    short = [pk for pk, why in decided.reasons.items() if _lacks_room(why)]
    if short:
        contexts = {pk: smaller_contexts(rows[pk]) for pk in short if pk in rows}
        models = [replace(m, contexts=contexts.get(m.id, ())) for m in seen.models]
        seen = replace(seen, models=tuple(models))
        decided = plan(seen, rules, now)
    return queue(seen, decided, {pk: row.display_name for pk, row in rows.items()})


def _lacks_room(why: Reason) -> bool:
    return why.code in LACKS and why.position <= EXPLAINED


def current_machines() -> list[Machine]:
    nodes = Node.objects.order_by("name").prefetch_related("gpus")
    return machines(load(), policy(), nodes)


def preview_model(fields: Mapping[str, Any], instance: ServedModel | None) -> Preview:
    """Of a new model, or of instance with these fields changed. Fields come checked by
    models_app.validation. Writes nothing, also not to the instance."""
    model = imagined(fields, instance)
    return _preview(model, smaller_contexts(model))


def forecast(model: ServedModel) -> Forecast:
    """What a start now would do, without suggestions: no file is read."""
    found = _preview(model)
    machines = [placement.node for placement in found.placements]
    if found.evictions and found.reason:
        machines.append(found.reason.nominated)
    reason = found.impossible or found.reason
    return Forecast(
        machines=tuple(dict.fromkeys(machines)),
        victims=tuple(
            Victim(name=evicted.model.name, priority=evicted.model.priority)
            for evicted in found.evictions
        ),
        shortage=Shortage(code=reason.code, params=reason.params) if reason else None,
        impossible=found.impossible is not None,
    )


def capacity() -> Capacity | None:
    """Rooms of machines on which nothing runs, all of their GPUs open."""
    nodes = [
        replace(
            node, gpus=tuple(replace(g, open=True, free_mib=None) for g in node.gpus)
        )
        for node in load_nodes()
    ]
    rooms = [site.empty for site in sites(nodes, (), policy())]
    if not rooms:
        return None
    return Capacity(
        cpu_cores=max(room.cpu_cores for room in rooms),
        memory_mib=max(0, *(room.memory_mib for room in rooms)),
        gpu_count=max(len(room.gpus) for room in rooms),
        gpu_mib=max((mib for room in rooms for mib in room.gpus.values()), default=0),
    )


def _idle(node: types.Node) -> types.Node:
    gpus = (replace(gpu, open=True, free_mib=None) for gpu in node.gpus)
    return replace(node, gpus=tuple(gpus))


def _preview(model: ServedModel, contexts: tuple[Context, ...] = ()) -> Preview:
    picture = replace(snapshot_of(model, {}), wanted=True, contexts=contexts)
    if model.desired_state != Desired.RUNNING:
        picture = replace(picture, waiting_since=timezone.now().timestamp())
    return preview(picture, load(), policy(), clock.uptime())
