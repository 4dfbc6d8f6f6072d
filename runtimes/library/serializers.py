"""The model library as API and command show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.messages import reason_of
from common.problems import Problem, shorten
from models_app.models import ServedModel
from models_app.serializers import ModelKindField, ReasonSerializer
from runtimes.frameworks.candidates import Kind
from runtimes.library.scanner.entries import Entry

PATH_SHOWN = 4096


def problem_json(problem: Problem) -> dict[str, Any] | None:
    """In the shape of ReasonSerializer."""
    return reason_of(problem.code, dict(problem.params))


class EntrySerializer(serializers.Serializer[Any]):
    """context: models that serve an entry, by its path."""

    path = serializers.SerializerMethodField(help_text="Of the first file, or folder.")
    title = serializers.SerializerMethodField()
    framework = serializers.CharField(source="candidate.framework")
    kind = serializers.ChoiceField(
        choices=[kind.value for kind in Kind],
        help_text="Only models can be served; projectors and adapters belong to one.",
    )
    model_kind = ModelKindField()
    size_bytes = serializers.IntegerField(
        source="candidate.size", help_text="Of all its files."
    )
    architecture = serializers.CharField(help_text="Empty: not known.")
    quantisation = serializers.CharField(help_text="Empty: not known.")
    context_length = serializers.IntegerField(
        source="context", help_text="Tokens; 0: not known."
    )
    parameters = serializers.IntegerField(help_text="0: not known.")
    memory_mib = serializers.IntegerField(
        allow_null=True, help_text="Estimate for this config, without GPUs."
    )
    gpu_memory_mib = serializers.IntegerField(
        allow_null=True, help_text="Estimate for this config, on one GPU."
    )
    config = serializers.SerializerMethodField(help_text="To add it with.")
    problem = serializers.SerializerMethodField()
    models = serializers.SerializerMethodField(
        help_text="Names of those that serve it."
    )

    def get_path(self, entry: Entry) -> str:
        return shorten(entry.path, PATH_SHOWN)

    def get_title(self, entry: Entry) -> str:
        return shorten(entry.candidate.title)

    def get_config(self, entry: Entry) -> dict[str, Any] | None:
        return {**entry.config} if entry.addable else None

    @extend_schema_field(ReasonSerializer(allow_null=True))
    def get_problem(self, entry: Entry) -> dict[str, Any] | None:
        return problem_json(entry.problem) if entry.problem else None

    def get_models(self, entry: Entry) -> list[str]:
        models: Sequence[ServedModel] = self.context.get(entry.path, ())
        return [model.name for model in models]


class ScanSerializer(serializers.Serializer[Any]):
    """Of a CachedScan."""

    scanned_at = serializers.DateTimeField()
    seconds = serializers.FloatField(source="result.seconds")
    folders = serializers.ListField(
        child=serializers.CharField(), source="roots", help_text="MODEL_ROOTS."
    )
    troubles = serializers.SerializerMethodField(help_text="What was left out.")
    more_troubles = serializers.IntegerField(source="result.more_problems")

    @extend_schema_field(ReasonSerializer(many=True))
    def get_troubles(self, cached: Any) -> list[dict[str, Any] | None]:
        return [problem_json(problem) for problem in cached.result.problems]
