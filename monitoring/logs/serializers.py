"""Query parameters and response of the log API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from models_app.enums import RunState
from models_app.filters import SEARCH_MAX_CHARS
from models_app.serializers import ReasonSerializer, WholeNumber

MAX_LOG_LINES = 10_000


class LogQuery(serializers.Serializer[Any]):
    run = serializers.CharField(
        required=False, max_length=32, help_text="uid of a run; without it, the newest."
    )
    tail = WholeNumber(
        min_value=1, max_value=MAX_LOG_LINES, default=200, help_text="Lines."
    )
    search = serializers.CharField(
        default="",
        allow_blank=True,
        trim_whitespace=False,
        max_length=SEARCH_MAX_CHARS,
        help_text="Only lines that hold this, whatever its letters' case.",
    )
    follow = serializers.BooleanField(
        default=False,
        help_text="Goes on, as plain text, until the run has ended; an hour at most.",
    )
    download = serializers.BooleanField(
        default=False, help_text="All that is kept, as a file of plain text."
    )


class LogSerializer(serializers.Serializer[Any]):
    run = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(choices=RunState.choices, allow_null=True)
    reason = ReasonSerializer(
        allow_null=True, help_text="Why the run ended; null: it has not."
    )
    text = serializers.CharField()
    truncated = serializers.BooleanField(
        help_text="There is, or was, more before these lines."
    )
