"""Estimated and measured memory as the API shows it. All sizes are MiB."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.messages import render
from runtimes.sizing import Sizing


class ShareSerializer(serializers.Serializer[Any]):
    weights_mib = serializers.IntegerField()
    kv_cache_mib = serializers.IntegerField()
    overhead_mib = serializers.IntegerField()
    prompt_cache_mib = serializers.IntegerField(
        help_text="At most: it fills as the model is used."
    )
    total_mib = serializers.IntegerField()


class EstimateSerializer(serializers.Serializer[Any]):
    n_ctx = serializers.IntegerField(help_text="Tokens of one request.")
    gpu = ShareSerializer(help_text="On all GPUs of one replica.")
    host = ShareSerializer()


class SizesSerializer(serializers.Serializer[Any]):
    gpu_memory_mib = serializers.IntegerField(allow_null=True)
    memory_mib = serializers.IntegerField(allow_null=True)


class MeasuredSerializer(SizesSerializer):
    runs = serializers.IntegerField()


class ProblemSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    field = serializers.CharField()
    params = serializers.DictField()
    message = serializers.SerializerMethodField()

    def get_message(self, problem: Any) -> str:
        return render(problem.code, problem.params)


class SizingSerializer(serializers.Serializer[Sizing]):
    gpu_count = serializers.IntegerField()
    estimate = EstimateSerializer(allow_null=True)
    problem = ProblemSerializer(allow_null=True, help_text="Why there is no estimate.")
    measured = MeasuredSerializer(
        allow_null=True,
        help_text="The most that a run of this model took, configured as it is here.",
    )
    suggested = SizesSerializer(
        help_text="To be booked: the larger of what is estimated and measured."
    )
    defaults = SizesSerializer(help_text="Booked for a new model that sets no sizes.")
    advice = ProblemSerializer(many=True)
