"""What may be saved as an alias of several models: one set of rules for API and
admin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from common.problems import Problem, shorten
from models_app.aliases.models import ALIAS_LENGTH, ModelAlias
from models_app.models import ServedModel
from models_app.validation import ALIAS, names_of

MAX_TARGETS = 20


class Target(NamedTuple):
    model: ServedModel
    weight: int = 1


def problems(
    fields: Mapping[str, Any], instance: ModelAlias | None = None
) -> list[Problem]:
    """What is wrong with a new alias, or with instance once fields are changed. Types
    and ranges of columns are the caller's. targets: of Target, in order."""
    found = [] if "targets" not in fields else [*_targets(fields["targets"])]
    name = fields.get("name")
    if name is not None and (instance is None or name != instance.name):
        found += _name(name, instance)
    return found


def name_taken(name: str) -> Problem:
    return Problem(code="duplicate_alias", field="name", params={"value": name})


def _name(name: str, instance: ModelAlias | None) -> Iterator[Problem]:
    others = ModelAlias.objects.exclude(pk=instance.pk if instance else 0)
    taken = names_of(ServedModel.objects.all()).union(
        others.values_list("name", flat=True)
    )
    if not ALIAS.fullmatch(name):
        params = {"value": shorten(name), "max": ALIAS_LENGTH}
        yield Problem(code="invalid_alias", field="name", params=params)
    elif name in taken:
        yield name_taken(name)


def _targets(targets: Sequence[Target]) -> Iterator[Problem]:
    if not targets:
        yield Problem(code="alias_needs_models", field="targets")
    if len(targets) > MAX_TARGETS:
        params: dict[str, object] = {"value": len(targets), "max": MAX_TARGETS}
        yield Problem(code="too_many_targets", field="targets", params=params)
    seen: set[int] = set()
    for target in targets:
        if target.model.pk in seen:
            params = {"value": target.model.name}
            yield Problem(code="duplicate_target", field="targets", params=params)
        seen.add(target.model.pk)
