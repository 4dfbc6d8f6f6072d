"""Served models, runs and activity as the API shows and takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from common.enums import ModelKind
from common.exceptions import Invalid
from common.messages import render
from models_app.activity import Actor
from models_app.aliases.models import ALIAS_LENGTH
from models_app.enums import Operation, RunState
from models_app.json_fields import (
    JsonChoice,
    JsonFlag,
    JsonInteger,
    JsonPrice,
    JsonText,
    KnownFields,
)
from models_app.models import Activity, Run, ServedModel, name_is_slug
from models_app.ports import default_sizes
from models_app.validation import (
    MAX_ALIASES,
    basic_problems,
    problems,
)

MAX_TAGS = 50
MAX_ID = 2**63 - 1
SIZE_HELP = (
    "MiB for one replica. Default of a new model: the estimate from its files, if there"
    " is one; 0 reserves nothing."
)
KIND_HELP = "What the model is for, by its files; null: not known."


@extend_schema_field({"type": "object", "additionalProperties": True})
class Config(serializers.JSONField):
    def to_internal_value(self, data: Any) -> Any:
        """Unchanged: the limits are part of the validation."""
        return data


class Tags(serializers.ListField):
    child = JsonText(max_length=100)

    def to_representation(self, data: Any) -> list[str]:
        return sorted(tag.name for tag in data.all())


class ReasonSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    params = serializers.DictField()
    message = serializers.CharField()
    advice = serializers.CharField(
        help_text="What to do. Empty if the message says it or nothing can be done."
    )


class Operations(serializers.ListField):
    child = serializers.ChoiceField(choices=Operation.choices)


class ModelKindField(serializers.ChoiceField):
    """Of models; stored as an empty text where it is not known."""

    def __init__(self, **options: Any) -> None:
        options = {"help_text": KIND_HELP, "allow_null": True, **options}
        super().__init__(choices=[kind.value for kind in ModelKind], **options)

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(value) or None


# Needs a model with its live runs prefetched as live_runs; one that was just changed
# may lack them
class RestartSerializer(serializers.ModelSerializer[ServedModel]):
    restart_required = serializers.SerializerMethodField(
        help_text="A run still uses an earlier configuration. Restart to apply it."
    )
    changed_fields = serializers.SerializerMethodField(
        help_text="What was changed since such a run was placed, as in `config.n_ctx`."
    )

    class Meta:
        model = ServedModel
        fields = read_only_fields = ("restart_required", "changed_fields")

    def get_restart_required(self, model: ServedModel) -> bool:
        return bool(self.get_changed_fields(model))

    def get_changed_fields(self, model: ServedModel) -> list[str]:
        runs = getattr(model, "live_runs", None)
        live = model.runs.live() if runs is None else runs
        return sorted({name for run in live for name in run.outdated_fields()})


class ServedModelSerializer(KnownFields, RestartSerializer):
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.BooleanField: JsonFlag,
        models.CharField: JsonText,
        models.DecimalField: JsonPrice,
        models.PositiveSmallIntegerField: JsonInteger,
        models.PositiveIntegerField: JsonInteger,
        models.TextField: JsonText,
    }
    serializer_choice_field = JsonChoice
    framework = JsonText(max_length=40)
    config = Config()
    model_kind = ModelKindField(read_only=True)
    tags = Tags(required=False, max_length=MAX_TAGS)
    aliases = serializers.ListField(
        child=JsonText(max_length=ALIAS_LENGTH),
        max_length=MAX_ALIASES,
        required=False,
        help_text="Other names that inference requests may use, such as `llama3:8b`.",
    )
    pinned_gpus = serializers.ListField(
        child=JsonText(max_length=80), max_length=64, required=False
    )
    force = JsonFlag(
        write_only=True, default=False,
        help_text="Save even if no machine is large enough: the model waits for one.",
    )  # fmt: skip
    reason = ReasonSerializer(read_only=True, allow_null=True)
    allowed_operations = Operations(read_only=True)

    class Meta:
        model = ServedModel
        fields = (
            "id", "name", "display_name", "description", "tags", "aliases",
            "framework", "driver",
            "config", "model_kind",
            "gpu_count", "gpu_memory_mib", "cpu_cores", "memory_mib",
            "priority", "preemptible", "preempts", "placement", "pinned_gpus",
            "replicas", "input_price", "cached_input_price", "output_price",
            "cache_ttl_s", "desired_state", "status", "reason", "allowed_operations",
            *RestartSerializer.Meta.fields, "created_at", "updated_at", "force",
        )  # fmt: skip
        read_only_fields = ("desired_state", "status")
        # Without the uniqueness of the field itself: validation has a code for it.
        extra_kwargs: dict[str, dict[str, Any]] = {
            "name": {"validators": [name_is_slug]},
            "gpu_memory_mib": {"help_text": SIZE_HELP},
            "memory_mib": {"help_text": SIZE_HELP},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        actor = self.context["request"].user
        force = attrs.pop("force", False)
        self._refuse(attrs, actor, force)
        if self.instance is None:
            sizes = {
                k: v for k, v in default_sizes.get()(attrs).items() if k not in attrs
            }
            attrs |= sizes
            if sizes:
                self._refuse(attrs, actor, force)
        return attrs

    def _refuse(self, attrs: dict[str, Any], actor: Actor, force: bool) -> None:
        if found := problems(attrs, instance=self.instance, actor=actor, force=force):
            raise Invalid(found)


class DraftSerializer(ServedModelSerializer):
    """A new model, where the name and fields with defaults are optional, or changes of
    the model `id`."""

    id = JsonInteger(
        required=False, min_value=1, max_value=MAX_ID,
        help_text="Id of an existing model, which the other fields change.",
    )  # fmt: skip

    class Meta(ServedModelSerializer.Meta):
        extra_kwargs: dict[str, dict[str, Any]] = {
            **ServedModelSerializer.Meta.extra_kwargs,
            "name": {"validators": [name_is_slug], "required": False},
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs.pop("id", None)
        return super().validate(attrs)


class UncheckedDraftSerializer(DraftSerializer):
    """Accepts a draft with problems, since the response lists them; refuses only what
    this user may not read or set."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = {k: v for k, v in attrs.items() if k not in ("id", "force")}
        actor = self.context["request"].user
        if found := basic_problems(attrs, instance=self.instance, actor=actor):
            raise Invalid(found)
        return attrs


def parse_draft(
    kind: type[DraftSerializer], body: Any, context: Mapping[str, Any]
) -> tuple[dict[str, Any], ServedModel | None]:
    """The given fields, and the model that they change. Raises Invalid,
    ValidationError, or NotFound of an id."""
    instance = _instance(body)
    draft: serializers.BaseSerializer[Any] = kind(
        instance, data=body, partial=instance is not None, context=dict(context)
    )
    draft.is_valid(raise_exception=True)
    return cast(dict[str, Any], draft.validated_data), instance


def _instance(body: Any) -> ServedModel | None:
    """The serializer refuses what is not an id at all."""
    model_id = body.get("id") if isinstance(body, dict) else None
    if type(model_id) is not int or model_id < 1:
        return None
    model = ServedModel.objects.named(str(model_id)).first()
    if model is None:
        raise NotFound(render("no_such_model", {"value": model_id}))
    return model


class RunSerializer(serializers.ModelSerializer[Run]):
    gpu_uuids = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Run
        fields = read_only_fields = (
            "uid", "replica", "state", "node", "cpu_cores", "memory_mib", "gpu_uuids",
            "created_at", "ready_at",
        )  # fmt: skip


class StatusSerializer(RestartSerializer):
    reason = ReasonSerializer(read_only=True, allow_null=True)
    allowed_operations = Operations(read_only=True)
    ready_replicas = serializers.SerializerMethodField()
    runs = RunSerializer(many=True, source="live_runs")

    class Meta:
        model = ServedModel
        fields = read_only_fields = (
            "id", "name", "status", "desired_state", "reason", "allowed_operations",
            *RestartSerializer.Meta.fields, "replicas", "ready_replicas", "runs",
        )  # fmt: skip

    def get_ready_replicas(self, model: Any) -> int:
        return sum(run.state == RunState.READY for run in model.live_runs)


class ActivitySerializer(serializers.ModelSerializer[Activity]):
    message = serializers.CharField()
    actor = serializers.SerializerMethodField()
    reason = ReasonSerializer(read_only=True, allow_null=True)
    run = serializers.CharField(source="run.uid", default=None, allow_null=True)

    class Meta:
        model = Activity
        fields = ("id", "at", "code", "message", "actor", "reason", "run")
        read_only_fields = fields

    def get_actor(self, activity: Activity) -> str | None:
        return activity.actor_name or None
