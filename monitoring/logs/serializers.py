"""Query parameters and response of the log API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from models_app.enums import RunState
from models_app.filters import SEARCH_MAX_CHARS
from models_app.json_fields import WholeNumber
from models_app.serializers import ReasonSerializer

MAX_LOG_LINES = 10_000


class LogQuery(serializers.Serializer[Any]):
    run = serializers.CharField(
        required=False,
        max_length=32,
        help_text="uid of a run. Default: the newest run.",
    )
    tail = WholeNumber(
        min_value=1, max_value=MAX_LOG_LINES, default=200, help_text="Number of lines."
    )
    search = serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        max_length=SEARCH_MAX_CHARS,
        help_text="Only lines that contain this text, ignoring case.",
    )
    follow = serializers.BooleanField(
        default=False,
        help_text="Stream plain text until the run ends, for at most an hour.",
    )
    download = serializers.BooleanField(
        default=False, help_text="The whole log as a plain text file."
    )


class LogSerializer(serializers.Serializer[Any]):
    run = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(choices=RunState.choices, allow_null=True)
    reason = ReasonSerializer(
        allow_null=True, help_text="Why the run ended; null while it has not."
    )
    text = serializers.CharField()
    truncated = serializers.BooleanField(help_text="Whether earlier lines are missing.")
