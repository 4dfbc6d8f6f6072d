"""Create, change and delete served models.

Callers validate fields with models_app.validation; tags are one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from common import broker
from common.exceptions import Conflict, Invalid
from models_app import approvals
from models_app.activity import Actor, event_of, record
from models_app.enums import Operation
from models_app.lifecycle import require
from models_app.models import Activity, ServedModel
from models_app.ports import detected_fields
from models_app.validation import duplicate_name


def create_model(fields: Mapping[str, Any], actor: Actor = None) -> ServedModel:
    """Raises Invalid duplicate_name when another request was faster."""
    fields = completed(fields, None)
    columns = {name: value for name, value in fields.items() if name != "tags"}
    approvable = approvals.setup_of(ServedModel(**columns)).parts()
    with transaction.atomic():
        with _name_is_free(columns["name"]):
            model = ServedModel.objects.create(**columns)
        model.tags.set(fields.get("tags", ()))
        record("model_created", model=model, actor=actor)
        approvals.approve_new(model, approvable, actor)
        broker.notify_change()
    return model


def update_model(
    model: ServedModel, changes: Mapping[str, Any], actor: Actor = None
) -> ServedModel:
    """Writes what differs and nothing else, so that changes of other fields at the same
    time, and of the status, are kept.

    Raises Conflict on a rename while not stopped, or when the model is gone; Invalid
    duplicate_name when another request was faster.
    """
    # A form has put its values into the model already.
    stored = ServedModel.objects.filter(pk=model.pk).first() or model
    changes = completed(changes, stored)
    review = approvals.review(stored, changes, actor)
    with transaction.atomic():
        current = _locked(model)
        columns, tags = _differences(current, changes)
        if "name" in columns:
            require(current, Operation.RENAME)
        if columns or tags is not None:
            _write(current, columns, tags)
            _record(current, columns, tags, actor)
            approvals.settle(current, review, actor)
            broker.notify_change()
    model.refresh_from_db()
    return model


def delete_model(model: ServedModel, actor: Actor = None) -> None:
    """Raises Conflict unless stopped. Its ended runs go with it, its activity stays."""
    delete_models([model], actor)


def delete_models(models: Sequence[ServedModel], actor: Actor = None) -> None:
    """All, or none when one raises Conflict. Row by row, ten thousand would lock the
    database for minutes."""
    chosen = ServedModel.objects.filter(pk__in=[model.pk for model in models])
    with transaction.atomic():
        locked = chosen.order_by("pk").select_for_update()  # as the other verbs do
        current = {model.pk: model for model in locked}
        for model in models:
            if model.pk not in current:
                raise Conflict("conflict", model=model.name)
            require(current[model.pk], Operation.DELETE)
        Activity.objects.bulk_create(
            event_of("model_deleted", model=each, actor=actor)
            for each in current.values()
        )
        chosen.delete()
        broker.notify_change()


def _locked(model: ServedModel) -> ServedModel:
    """The current row, locked until the transaction ends."""
    current = ServedModel.objects.select_for_update().filter(pk=model.pk).first()
    if current is None:
        raise Conflict("conflict", model=model.name)
    return current


def _differences(
    current: ServedModel, changes: Mapping[str, Any]
) -> tuple[dict[str, Any], set[str] | None]:
    columns = {
        name: value
        for name, value in changes.items()
        if name != "tags" and getattr(current, name) != value
    }
    tags = set(changes["tags"]) if "tags" in changes else None
    return columns, None if tags == set(current.tags.names()) else tags


def _write(
    current: ServedModel, columns: Mapping[str, Any], tags: set[str] | None
) -> None:
    row = ServedModel.objects.filter(pk=current.pk)
    with _name_is_free(columns.get("name", ""), current):
        row.update(**columns, updated_at=timezone.now())
    if tags is not None:
        current.tags.set(sorted(tags))


def _record(
    current: ServedModel,
    columns: Mapping[str, Any],
    tags: set[str] | None,
    actor: Actor,
) -> None:
    """What is read from the model's files is nobody's change."""
    edited = {*columns, *([] if tags is None else ["tags"])} - {"model_kind"}
    if edited:
        params: dict[str, object] = {"fields": sorted(edited)}
        record("model_updated", model=current, actor=actor, params=params)


@contextmanager
def _name_is_free(name: str, current: ServedModel | None = None) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        namesakes = ServedModel.objects.filter(name=name)
        if namesakes.exclude(pk=current.pk if current else 0).exists():
            raise Invalid([duplicate_name(name)]) from None
        if current is not None:  # two changes that only together break a rule
            raise Conflict("conflict", model=current.name) from None
        raise


def with_changes(
    fields: Mapping[str, Any], instance: ServedModel | None
) -> ServedModel:
    """A copy with these fields, or a new model. Saves nothing."""
    fields = completed(fields, instance)
    model = copy(instance) if instance else ServedModel()
    for name in fields.keys() - {"tags"}:
        setattr(model, name, fields[name])
    return model


def completed(
    fields: Mapping[str, Any], instance: ServedModel | None
) -> dict[str, Any]:
    """With what follows from the model's files, which are read if the fields change
    which they are. Settings that are given stay as they are."""
    before = instance or ServedModel()
    framework, config = (
        fields.get(name, getattr(before, name)) for name in ("framework", "config")
    )
    unchanged = instance and (framework, config) == (before.framework, before.config)
    if unchanged or framework not in settings.FRAMEWORKS:
        return dict(fields)
    return {**fields, **detected_fields.get()(framework, config)}
