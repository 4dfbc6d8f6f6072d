"""Serializers of queue, preview, resources and decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.messages import reason_of, render
from models_app.serializers import ReasonSerializer
from runtimes.enums import GpuMode
from scheduling.models import Decision
from scheduling.planner.preview import Preview
from scheduling.planner.queue import QueueEntry
from scheduling.planner.types import Reason, Suggestion


def reason_payload(reason: Reason) -> dict[str, Any]:
    """In the format of ReasonSerializer."""
    return reason_of(reason.code, dict(reason.params)) or {}


def suggestion_text(suggestion: Suggestion) -> str:
    return render(f"help_{suggestion.action}", suggestion.params)


class QueuedModelSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="model.id")
    name = serializers.CharField(source="model.name")
    display_name = serializers.CharField()
    priority = serializers.IntegerField(source="model.priority")


class SuggestionSerializer(serializers.Serializer[Suggestion]):
    action = serializers.ChoiceField(choices=["stop", "priority", "n_ctx"])
    params = serializers.DictField()
    message = serializers.SerializerMethodField()

    def get_message(self, suggestion: Suggestion) -> str:
        return suggestion_text(suggestion)


class WaitingSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField(help_text="1 is next.")
    model = QueuedModelSerializer(source="*")
    waiting_since = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()
    machine = serializers.CharField(
        allow_null=True, help_text="Where room is kept for it."
    )
    helps = SuggestionSerializer(many=True, source="suggestions")

    def get_waiting_since(self, waiting: QueueEntry) -> datetime:
        return datetime.fromtimestamp(waiting.model.waiting_since, UTC)

    @extend_schema_field(ReasonSerializer)
    def get_reason(self, waiting: QueueEntry) -> dict[str, Any]:
        return reason_payload(waiting.reason)

    def to_representation(self, instance: QueueEntry) -> dict[str, Any]:
        shown = super().to_representation(instance)
        return {**shown, "machine": instance.machine or None}


class PlacementSerializer(serializers.Serializer[Any]):
    replica = serializers.IntegerField()
    node = serializers.CharField()
    gpus = serializers.ListField(child=serializers.CharField(), help_text="UUIDs.")


class EvictionSerializer(serializers.Serializer[Any]):
    model = serializers.CharField(source="model.name")
    priority = serializers.IntegerField(source="model.priority")
    run = serializers.CharField(source="run.uid")


class PreviewSerializer(serializers.Serializer[Preview]):
    placements = serializers.SerializerMethodField()
    evictions = EvictionSerializer(many=True)
    reason = serializers.SerializerMethodField()
    helps = SuggestionSerializer(
        source="suggestions",
        many=True,
        help_text="What would let it start if it would have to wait.",
    )

    @extend_schema_field(PlacementSerializer(many=True))
    def get_placements(self, preview: Preview) -> list[dict[str, Any]]:
        return [
            {"replica": p.replica, "node": p.node, "gpus": [uuid for uuid, _ in p.gpus]}
            for p in preview.placements
        ]

    @extend_schema_field(ReasonSerializer(allow_null=True))
    def get_reason(self, preview: Preview) -> dict[str, Any] | None:
        return reason_payload(preview.reason) if preview.reason else None


class AmountSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    booked = serializers.IntegerField()
    free = serializers.IntegerField(help_text="For placement.")


class BookingSerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    run = serializers.CharField()
    mib = serializers.IntegerField()
    measured_mib = serializers.IntegerField(
        allow_null=True, help_text="null where the driver does not report it."
    )


class GpuUseSerializer(serializers.Serializer[Any]):
    uuid = serializers.CharField()
    index = serializers.IntegerField()
    name = serializers.CharField()
    mode = serializers.ChoiceField(choices=GpuMode.choices)
    present = serializers.BooleanField()
    reason = ReasonSerializer(
        allow_null=True, help_text="Why it takes no models; null: it is healthy."
    )
    memory_mib = serializers.IntegerField()
    booked = BookingSerializer(many=True)
    measured_free_mib = serializers.IntegerField(
        allow_null=True, help_text="null where the driver does not report it."
    )
    foreign_mib = serializers.IntegerField(
        allow_null=True, help_text="Used, but not by the platform's own runs."
    )
    free_mib = serializers.IntegerField(help_text="For placement.")


class MachineSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    cpu_cores = AmountSerializer()
    memory_mib = AmountSerializer()
    gpus = GpuUseSerializer(many=True)


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    model = serializers.CharField(source="model_name")
    run = serializers.SerializerMethodField()
    reason = ReasonSerializer(help_text="What was decided, and why.")

    class Meta:
        model = Decision
        fields = read_only_fields = (
            "id", "at", "kind", "model", "priority", "run", "reason",
        )  # fmt: skip

    def get_run(self, decision: Decision) -> str | None:
        return decision.run_uid or None
