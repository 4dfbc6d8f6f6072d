"""Aliases of several models as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.exceptions import Invalid
from models_app.aliases.models import ALIAS_LENGTH, MAX_WEIGHT, Mode, ModelAlias
from models_app.aliases.validation import MAX_TARGETS, Target, problems
from models_app.json_fields import (
    JsonChoice,
    JsonFlag,
    JsonInteger,
    JsonText,
    KnownFields,
)
from models_app.limits.serializers import SubjectField
from models_app.models import ServedModel


class AliasTargetSerializer(KnownFields, serializers.Serializer[Any]):
    model = SubjectField(
        ServedModel, "name", required=True, allow_null=False,
        help_text="Name of a model.",
    )  # fmt: skip
    weight = JsonInteger(
        min_value=1, max_value=MAX_WEIGHT, default=1,
        help_text="Its share of requests, in the mode `weighted`.",
    )  # fmt: skip


class Targets(serializers.ListField):
    """Unlike a serializer with many, it has its lengths in the schema."""

    def to_internal_value(self, data: Any) -> list[Target]:
        return [Target(**target) for target in super().to_internal_value(data)]

    def to_representation(self, data: Any) -> list[Any]:
        return super().to_representation(data.all())


class ModelAliasSerializer(KnownFields, serializers.ModelSerializer[ModelAlias]):
    name = JsonText(
        max_length=ALIAS_LENGTH,
        help_text="Requests give it as `model`. No model or other alias has it.",
    )
    description = JsonText(max_length=10_000, required=False, allow_blank=True)
    mode = JsonChoice(
        choices=Mode.choices, default=Mode.FALLBACK,
        help_text="`fallback`: the first model that is running serves. `weighted`: each"
        " serves its share; requests of one session stay on one model. Another model"
        " takes over if one fails before its response has begun.",
    )  # fmt: skip
    enabled = JsonFlag(
        default=True,
        help_text="False: its requests get 404, as for an unknown model.",
    )
    targets = Targets(
        child=AliasTargetSerializer(), min_length=1, max_length=MAX_TARGETS,
        help_text="The models, each once, in the order of `fallback`. A model that is"
        " deleted leaves the list; without any, requests get 409.",
    )  # fmt: skip

    class Meta:
        model = ModelAlias
        fields = (
            "id", "name", "description", "mode", "enabled", "targets",
            "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = ("created_at", "updated_at")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        instance = self.instance if isinstance(self.instance, ModelAlias) else None
        if found := problems(attrs, instance=instance):
            raise Invalid(found)
        return attrs
