"""Serializers for history, status and exports."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from common.models import JobState
from models_app.serializers import ReasonSerializer
from monitoring.exports.formats import FORMATS
from monitoring.models import ExportJob
from runtimes.enums import GpuMode

Numbers = serializers.DictField(
    child=serializers.FloatField(allow_null=True),
    help_text="By metric name. Counters are rates per second; null means unknown.",
)


class SourceSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="host, gpu, model or platform.")
    key = serializers.CharField()
    name = serializers.CharField()


class PointsSerializer(serializers.Serializer[Any]):
    metric = serializers.CharField()
    unit = serializers.CharField()
    source = SourceSerializer()  # type: ignore[assignment]
    aggregate = serializers.CharField()
    values = serializers.ListField(child=serializers.FloatField(allow_null=True))
    min = serializers.ListField(
        child=serializers.FloatField(allow_null=True), required=False
    )
    max = serializers.ListField(
        child=serializers.FloatField(allow_null=True), required=False
    )


@extend_schema_serializer(component_name="Answer")
class HistorySerializer(serializers.Serializer[Any]):
    tier = serializers.ChoiceField(choices=["10s", "1m", "1h"])
    step = serializers.IntegerField(help_text="Seconds.")
    start = serializers.IntegerField(help_text="Seconds since the epoch.")
    end = serializers.IntegerField()
    times = serializers.ListField(
        child=serializers.IntegerField(), help_text="Start of each step."
    )
    series = PointsSerializer(many=True)


class MetricSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    unit = serializers.CharField()
    kind = serializers.CharField(help_text="gauge, counter or histogram.")
    label = serializers.CharField()  # type: ignore[assignment]


@extend_schema_serializer(component_name="Seen")
class SeriesSerializer(SourceSerializer):
    node = serializers.CharField()
    metrics = MetricSerializer(many=True)
    first_seen = serializers.IntegerField()
    last_seen = serializers.IntegerField()


class RowSerializer(serializers.Serializer[Any]):
    time = serializers.DateTimeField()
    kind = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    key = serializers.CharField()
    metric = serializers.CharField()
    unit = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    min = serializers.FloatField(allow_null=True)
    max = serializers.FloatField(allow_null=True)
    samples = serializers.IntegerField(allow_null=True)


class JsonExportSerializer(serializers.Serializer[Any]):
    tier = serializers.ChoiceField(choices=["10s", "1m", "1h"])
    step = serializers.IntegerField(help_text="Seconds.")
    start = serializers.IntegerField(help_text="Seconds since the epoch.")
    end = serializers.IntegerField()
    rows = RowSerializer(many=True)


class ExportJobSerializer(serializers.ModelSerializer[ExportJob]):
    state = serializers.ChoiceField(choices=JobState.choices)
    format = serializers.ChoiceField(choices=FORMATS)
    progress = serializers.FloatField(help_text="0 to 1.")
    requested_by = serializers.CharField(read_only=True, source="created_by.username")
    rows = serializers.IntegerField(read_only=True, source="done")
    rows_expected = serializers.IntegerField(
        read_only=True, source="total", allow_null=True
    )
    reason = ReasonSerializer(allow_null=True, help_text="Why it failed.")
    file = serializers.SerializerMethodField(allow_null=True)

    class Meta:
        model = ExportJob
        fields = read_only_fields = (
            "uid", "state", "reason", "format", "progress", "rows", "rows_expected",
            "file_name", "size_bytes", "requested_by", "created_at", "expires_at",
            "file",
        )  # fmt: skip

    def get_file(self, job: ExportJob) -> str | None:
        """Where to get it; null until it is ready."""
        done = job.state == JobState.DONE
        return reverse("export-file", args=[job.uid]) if done else None


class DatabaseSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    engine = serializers.CharField()
    latency_ms = serializers.FloatField()


class BrokerSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()


class FreshnessSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    seen_at = serializers.DateTimeField(allow_null=True)
    age_s = serializers.FloatField(allow_null=True)


class HostSerializer(serializers.Serializer[Any]):
    node = serializers.CharField()
    metrics = Numbers


class GpuSumSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    healthy = serializers.IntegerField()
    memory_mib = serializers.IntegerField()
    used_mib = serializers.IntegerField(allow_null=True)


class NodeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    cpu_cores = serializers.IntegerField()
    memory_mib = serializers.IntegerField()
    seen_at = serializers.DateTimeField()
    fresh = serializers.BooleanField()


class SystemStatusSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    now = serializers.DateTimeField()
    database = DatabaseSerializer()
    broker = BrokerSerializer()
    monitor = FreshnessSerializer()
    worker = FreshnessSerializer()
    host = HostSerializer(allow_null=True)
    models = serializers.DictField(
        child=serializers.IntegerField(), help_text="Count by status, and `total`."
    )
    gpus = GpuSumSerializer()
    machines = NodeSerializer(many=True)


class GpuMemorySerializer(serializers.Serializer[Any]):
    total_mib = serializers.IntegerField(allow_null=True)
    used_mib = serializers.FloatField(allow_null=True)
    free_mib = serializers.IntegerField(allow_null=True)


class GpuUserSerializer(serializers.Serializer[Any]):
    model = serializers.CharField()
    model_id = serializers.IntegerField()
    run = serializers.CharField()
    replica = serializers.IntegerField()
    state = serializers.CharField()
    used_mib = serializers.FloatField(allow_null=True)


class GpuNowSerializer(serializers.Serializer[Any]):
    uuid = serializers.CharField()
    index = serializers.IntegerField()
    name = serializers.CharField()
    node = serializers.CharField()
    mode = serializers.ChoiceField(choices=GpuMode.choices)
    present = serializers.BooleanField()
    health = serializers.CharField(help_text="`ok`, or the code of the reason.")
    reason = ReasonSerializer(allow_null=True)
    memory = GpuMemorySerializer()
    metrics = Numbers
    used_by = GpuUserSerializer(many=True)


class GpusSerializer(serializers.Serializer[Any]):
    gpus = GpuNowSerializer(many=True)
    detail = serializers.CharField(
        allow_null=True, help_text="`no_gpu_found` if the list is empty."
    )
