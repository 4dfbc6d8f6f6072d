"""Queue, machines and previews for people: planned on each request with a fixed number
of queries, and never carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils import timezone

from common import clock
from common.messages import find
from models_app.editing import with_changes
from models_app.enums import Desired
from models_app.models import ServedModel
from runtimes.models import Node
from runtimes.ports import Capacity, Forecast, Shortage, Victim
from runtimes.preflight.subjects import SIZES
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


def current_queue() -> list[QueueEntry]:
    """Model files show what smaller contexts would need. They are only read for models
    that lack room; the plan is then made again."""
    snapshot, rules, now = load(), policy(), clock.uptime()
    decided = plan(snapshot, rules, now)
    rows = ServedModel.objects.in_bulk(decided.reasons)
    short = [pk for pk, why in decided.reasons.items() if _lacks_room(why)]
    if short:
        contexts = {pk: smaller_contexts(rows[pk]) for pk in short if pk in rows}
        models = [replace(m, contexts=contexts.get(m.id, ())) for m in snapshot.models]
        snapshot = replace(snapshot, models=tuple(models))
        decided = plan(snapshot, rules, now)
    names = {pk: row.display_name for pk, row in rows.items()}
    return queue(snapshot, decided, names)


def _lacks_room(why: Reason) -> bool:
    return find(why.code).subject in SIZES and why.position <= EXPLAINED


def current_machines() -> list[Machine]:
    nodes = Node.objects.order_by("name").prefetch_related("gpus")
    return machines(load(), policy(), nodes)


def preview_model(fields: Mapping[str, Any], instance: ServedModel | None) -> Preview:
    """Of a new model, or of instance with these fields changed. fields: as validated by
    models_app.validation. The instance is left unchanged."""
    model = with_changes(fields, instance)
    return _preview(model, smaller_contexts(model))


def forecast(model: ServedModel) -> Forecast:
    """What a start now would do, without suggestions, so that no file is read."""
    result = _preview(model)
    machines = [placement.node for placement in result.placements]
    if result.evictions and result.reason:
        machines.append(result.reason.nominated)
    reason = result.impossible or result.reason
    return Forecast(
        machines=tuple(dict.fromkeys(machines)),
        victims=tuple(
            Victim(name=evicted.model.name, priority=evicted.model.priority)
            for evicted in result.evictions
        ),
        shortage=Shortage(code=reason.code, params=reason.params) if reason else None,
        impossible=result.impossible is not None,
    )


def capacity() -> Capacity | None:
    """Of machines without runs and with all GPUs open."""
    rooms = [site.empty for site in sites(map(_idle, load_nodes()), (), policy())]
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
    started = replace(snapshot_of(model, {}), wanted=True, contexts=contexts)
    if model.desired_state != Desired.RUNNING:
        started = replace(started, waiting_since=timezone.now().timestamp())
    return preview(started, load(), policy(), clock.uptime())
