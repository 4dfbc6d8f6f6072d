"""Models that are only asked about: nothing is saved."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, cast

from rest_framework import serializers
from rest_framework.exceptions import NotFound

from common.exceptions import Invalid
from common.messages import render
from models_app.models import ServedModel, name_is_slug
from models_app.serializers import ServedModelSerializer, WholeNumber
from models_app.validation import refused

MAX_ID = 2**63 - 1
NOT_COLUMNS = frozenset({"tags"})


class Draft(ServedModelSerializer):
    """A model as one that is created, name and all else optional where it has a
    default; or changes of the model `id`."""

    id = WholeNumber(
        required=False, min_value=1, max_value=MAX_ID,
        help_text="Of a model that is there; the rest is what is changed.",
    )  # fmt: skip

    class Meta(ServedModelSerializer.Meta):
        extra_kwargs: dict[str, dict[str, Any]] = {
            **ServedModelSerializer.Meta.extra_kwargs,
            "name": {"validators": [name_is_slug], "required": False},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.pop("id", None)
        return super().validate(attrs)


class UncheckedDraft(Draft):
    """One whose faults are what is asked for: refused is only what nobody may look at,
    or this user may not set."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = {k: v for k, v in attrs.items() if k not in ("id", "force")}
        actor = self.context["request"].user
        if found := refused(attrs, instance=self.instance, actor=actor):
            raise Invalid(found)
        return attrs


def drafted(
    kind: type[Draft], body: Any, context: Mapping[str, Any]
) -> tuple[dict[str, Any], ServedModel | None]:
    """Fields that are given, and the model that they change. Raises Invalid,
    ValidationError, or NotFound of an id."""
    instance = _named(body)
    asked: serializers.BaseSerializer[Any] = kind(
        instance, data=body, partial=instance is not None, context=dict(context)
    )
    asked.is_valid(raise_exception=True)
    return cast(dict[str, Any], asked.validated_data), instance


def imagined(fields: Mapping[str, Any], instance: ServedModel | None) -> ServedModel:
    """How it would be. Writes nothing, also not to the instance."""
    model = copy(instance) if instance else ServedModel()
    for name in fields.keys() - NOT_COLUMNS:
        setattr(model, name, fields[name])
    return model


def _named(body: Any) -> ServedModel | None:
    """What is no id at all, the serializer refuses."""
    wanted = body.get("id") if isinstance(body, dict) else None
    if type(wanted) is not int or wanted < 1:
        return None
    model = ServedModel.objects.named(str(wanted)).first()
    if model is None:
        raise NotFound(render("no_such_model", {"value": wanted}))
    return model
