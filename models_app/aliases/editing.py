"""Create, change and delete aliases of several models. Callers validate with
models_app.aliases.validation.

Gateways apply a change as soon as they have reloaded their routing tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from common import broker
from common.exceptions import Conflict, Invalid
from common.problems import Problem
from models_app.activity import Actor, event_of, record
from models_app.aliases.models import AliasTarget, ModelAlias
from models_app.aliases.validation import Target, name_taken
from models_app.models import Activity, ServedModel

Fields = Mapping[str, Any]


def create_alias(fields: Fields, actor: Actor = None) -> ModelAlias:
    """Raises Invalid when the name has been taken or a model deleted meanwhile."""
    columns = {name: value for name, value in fields.items() if name != "targets"}
    with transaction.atomic():
        with _name_is_free(columns["name"]):
            alias = ModelAlias.objects.create(**columns)
        _set_targets(alias, fields["targets"])
        _record("alias_created", alias, actor)
        broker.publish_change_on_commit()
    return alias


def update_alias(alias: ModelAlias, fields: Fields, actor: Actor = None) -> ModelAlias:
    """Writes what differs and nothing else. Raises Conflict when the alias is gone,
    Invalid as create_alias() does."""
    with transaction.atomic():
        rows = ModelAlias.objects.filter(pk=alias.pk)
        current = rows.select_for_update().first()
        if current is None:
            raise Conflict("alias_conflict", name=alias.name)
        changed = {k: v for k, v in fields.items() if v != _value(current, k)}
        if changed:
            columns = {k: v for k, v in changed.items() if k != "targets"}
            with _name_is_free(columns.get("name", "")):
                rows.update(**columns, updated_at=timezone.now())
            if "targets" in changed:
                _set_targets(current, changed["targets"])
            _record("alias_changed", current, actor, fields=sorted(changed))
            broker.publish_change_on_commit()
    return ModelAlias.objects.get(pk=alias.pk)


def delete_aliases(aliases: Iterable[ModelAlias], actor: Actor = None) -> None:
    keys = [alias.pk for alias in aliases]
    with transaction.atomic():
        found = list(ModelAlias.objects.filter(pk__in=keys).select_for_update())
        Activity.objects.bulk_create(
            event_of("alias_deleted", actor=actor, params={"name": alias.name})
            for alias in found
        )
        ModelAlias.objects.filter(pk__in=[alias.pk for alias in found]).delete()
        broker.publish_change_on_commit()


def _record(code: str, alias: ModelAlias, actor: Actor, **params: object) -> None:
    record(code, actor=actor, params={"name": alias.name, **params})


def targets_of(alias: ModelAlias) -> list[Target]:
    rows = alias.targets.select_related("model")
    return [Target(row.model, row.weight) for row in rows]


def _value(alias: ModelAlias, name: str) -> object:
    return targets_of(alias) if name == "targets" else getattr(alias, name)


def _set_targets(alias: ModelAlias, targets: Sequence[Target]) -> None:
    _require_models(targets)
    alias.targets.all().delete()
    AliasTarget.objects.bulk_create(
        AliasTarget(alias=alias, position=position, **target._asdict())
        for position, target in enumerate(targets, 1)
    )


def _require_models(targets: Sequence[Target]) -> None:
    """Locks them. Raises Invalid when one is gone."""
    names = {target.model.pk: target.model.name for target in targets}
    rows = ServedModel.objects.filter(pk__in=names).order_by("pk")
    found = rows.select_for_update().values_list("pk", flat=True)
    gone = [names[key] for key in names.keys() - set(found)]
    if gone:
        params = {"key": "model", "value": sorted(gone)}
        raise Invalid([Problem(code="no_such_subject", field="targets", params=params)])


@contextmanager
def _name_is_free(name: str) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        if ModelAlias.objects.filter(name=name).exists():
            raise Invalid([name_taken(name)]) from None
        raise
