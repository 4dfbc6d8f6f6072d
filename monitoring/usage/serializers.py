"""Usage as the API shows it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from monitoring.usage.params import GROUPS

OF_PROMPTS = "Part of prompt_tokens."
OF_ANSWERS = "Part of completion_tokens."


class TokenUsedSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Its prefix.")
    name = serializers.CharField()


class IdAndNameSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class UsageNumbersSerializer(serializers.Serializer[Any]):
    requests = serializers.IntegerField(
        help_text="Including errors, refused and cancelled."
    )
    errors = serializers.IntegerField()  # type: ignore[assignment]
    refused = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    cache_hits = serializers.IntegerField(
        help_text="Answered from the response cache; they take no tokens."
    )
    prompt_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField(help_text=OF_PROMPTS)
    completion_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField(help_text=OF_ANSWERS)
    total_tokens = serializers.IntegerField()
    cost = serializers.FloatField(help_text="By the prices at the time of use.")


class UsageRowSerializer(UsageNumbersSerializer):
    """Of hour, day, token, user and model those that group_by names."""

    hour = serializers.DateTimeField(required=False, help_text="Its start.")
    day = serializers.DateField(required=False, help_text="In the server's time zone.")
    token = TokenUsedSerializer(required=False)
    user = IdAndNameSerializer(required=False)
    model = IdAndNameSerializer(required=False)


class SpanSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    group_by = serializers.ListField(child=serializers.ChoiceField(choices=GROUPS))


class UsagePageSerializer(SpanSerializer):
    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = UsageRowSerializer(many=True)
    currency = serializers.CharField(help_text="ISO 4217.")
    totals = UsageNumbersSerializer()


class UsageFileRowSerializer(UsageNumbersSerializer):
    hour = serializers.DateTimeField(required=False)
    day = serializers.DateField(required=False)
    token_id = serializers.CharField(required=False)
    token = serializers.CharField(required=False)
    user_id = serializers.IntegerField(required=False)
    user = serializers.CharField(required=False)
    model_id = serializers.IntegerField(required=False)
    model = serializers.CharField(required=False)
    currency = serializers.CharField()


class UsageDocumentSerializer(SpanSerializer):
    rows = UsageFileRowSerializer(many=True)
