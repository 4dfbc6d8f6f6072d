"""The scheduler's view of this moment, for people: always worked out anew, never
carried out, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils import timezone

from common import clock
from models_app.drafts import imagined
from models_app.enums import Desired
from models_app.models import ServedModel
from runtimes.models import Node
from scheduling.contexts import contexts_of
from scheduling.planner.plan import plan
from scheduling.planner.preview import Preview, preview
from scheduling.planner.queue import Waiting, queue_of
from scheduling.planner.state import EXPLAINED
from scheduling.planner.types import Reason
from scheduling.resources import Machine, machines
from scheduling.snapshot import load, picture_of, policy

LACKS = frozenset({"insufficient_cpu", "insufficient_memory", "insufficient_gpus"})


def queue_now() -> list[Waiting]:
    """Planned twice where somebody lacks room: only then are model files read for what
    smaller contexts would need."""
    seen, rules, now = load(), policy(), clock.uptime()
    decided = plan(seen, rules, now)
    rows = ServedModel.objects.in_bulk(decided.reasons)
    short = [pk for pk, why in decided.reasons.items() if _lacks_room(why)]
    if short:
        contexts = {pk: contexts_of(rows[pk]) for pk in short if pk in rows}
        models = [replace(m, contexts=contexts.get(m.id, ())) for m in seen.models]
        seen = replace(seen, models=tuple(models))
        decided = plan(seen, rules, now)
    return queue_of(seen, decided, {pk: row.display_name for pk, row in rows.items()})


def _lacks_room(why: Reason) -> bool:
    return why.code in LACKS and why.position <= EXPLAINED


def machines_now() -> list[Machine]:
    nodes = Node.objects.order_by("name").prefetch_related("gpus")
    return machines(load(), policy(), nodes)


def preview_of(fields: Mapping[str, Any], instance: ServedModel | None) -> Preview:
    """Of a new model, or of instance with these fields changed. Fields come checked by
    models_app.validation. Writes nothing, also not to the instance."""
    model = imagined(fields, instance)
    picture = picture_of(model, {})
    picture = replace(picture, wanted=True, contexts=contexts_of(model))
    if instance is None or instance.desired_state != Desired.RUNNING:
        picture = replace(picture, waiting_since=timezone.now().timestamp())
    return preview(picture, load(), policy(), clock.uptime())
