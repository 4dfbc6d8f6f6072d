"""What machines have left beside the models that run on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from django.db.models import Q, Sum

from models_app.models import Run, ServedModel
from models_app.querysets import RunQuerySet
from runtimes.models import Node

Booked = Literal["cpu_cores", "memory_mib"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """On one machine. may_have: free, or held by models whose place it may take."""

    node: str
    total: int
    free: int
    may_have: int


def most_left(field: Booked, model: ServedModel, reserved: int = 0) -> Left | None:
    """On the machine where the model may have most; its own runs make room for it.
    None: no machine is known."""
    others = Run.objects.live()
    if model.pk:
        others = others.exclude(model=model.pk)
    yielding = Q(model__preemptible=True, model__priority__lt=model.priority)
    booked = _sums(others, field)
    staying = _sums(others.exclude(yielding), field) if model.preempts else booked
    found = [
        Left(
            node=name,
            total=amount - reserved,
            free=max(amount - reserved - booked.get(name, 0), 0),
            may_have=amount - reserved - staying.get(name, 0),
        )
        for name, amount in Node.objects.order_by("name").values_list("name", field)
    ]
    return max(found, key=lambda left: left.may_have, default=None)


def _sums(runs: RunQuerySet, field: Booked) -> Mapping[str, int]:
    return dict(runs.order_by().values_list("node").annotate(Sum(field)))
