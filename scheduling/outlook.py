"""The scheduler's view of this moment, for people: always worked out anew, never
carried out, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any

from django.utils import timezone

from models_app import clock
from models_app.enums import Desired
from models_app.models import ServedModel
from runtimes.models import Node
from scheduling.planner import plan
from scheduling.preview import Preview, preview
from scheduling.queue import Waiting, queue_of
from scheduling.resources import Machine, machines
from scheduling.snapshot import load, picture_of, policy

NOT_COLUMNS = frozenset({"tags"})


def queue_now() -> list[Waiting]:
    seen = load()
    decided = plan(seen, policy(), clock.uptime())
    rows = ServedModel.objects.filter(pk__in=decided.reasons)
    return queue_of(seen, decided, dict(rows.values_list("pk", "display_name")))


def machines_now() -> list[Machine]:
    nodes = Node.objects.order_by("name").prefetch_related("gpus")
    return machines(load(), policy(), nodes)


def preview_of(fields: Mapping[str, Any], instance: ServedModel | None) -> Preview:
    """Of a new model, or of instance with these fields changed. Fields come checked by
    models_app.validation. Writes nothing, also not to the instance."""
    model = copy(instance) if instance else ServedModel()
    for name in fields.keys() - NOT_COLUMNS:
        setattr(model, name, fields[name])
    picture = replace(picture_of(model, {}), wanted=True)
    if instance is None or instance.desired_state != Desired.RUNNING:
        picture = replace(picture, waiting_since=timezone.now().timestamp())
    return preview(picture, load(), policy(), clock.uptime())
