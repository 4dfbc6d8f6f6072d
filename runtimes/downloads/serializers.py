"""Downloads as the API takes and shows them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from models_app.json_fields import JsonChoice, JsonText, KnownFields
from models_app.serializers import ReasonSerializer
from runtimes.downloads.request import DownloadRequest
from runtimes.enums import DownloadState, Hub
from runtimes.models import Download

WORDS = 2000  # characters


class DownloadRequestSerializer(KnownFields):
    hub = JsonChoice(choices=Hub.choices, default=Hub.HUGGINGFACE)
    repo = JsonText(max_length=500, help_text="owner/name, or the address of its page.")
    revision = JsonText(
        max_length=100,
        default="",
        allow_blank=True,
        help_text="Branch, tag or commit; the hub's default without.",
    )
    files = JsonText(
        max_length=WORDS,
        default="",
        allow_blank=True,
        help_text="Patterns such as *Q4_K_M*.gguf, separated by commas; all without.",
    )
    root = JsonText(  # type: ignore[assignment]
        max_length=1000,
        default="",
        allow_blank=True,
        help_text="One of the model folders; the first that is writable without.",
    )
    folder = JsonText(
        max_length=100,
        default="",
        allow_blank=True,
        help_text="Its name in there; that of the repository without.",
    )

    def create(self, validated_data: dict[str, Any]) -> DownloadRequest:
        return DownloadRequest(**validated_data)


class DownloadSerializer(serializers.ModelSerializer[Download]):
    hub = serializers.ChoiceField(choices=Hub.choices)
    state = serializers.ChoiceField(choices=DownloadState.choices)
    files = serializers.ListField(
        source="patterns", child=serializers.CharField(), help_text="Empty: all."
    )
    path = serializers.SerializerMethodField(help_text="Of the folder when it is done.")
    progress = serializers.FloatField(help_text="0 to 1.")
    reason = ReasonSerializer(
        allow_null=True, help_text="Why it failed, or is tried again at retry_at."
    )
    bytes_done = serializers.IntegerField(read_only=True, source="done")
    bytes_total = serializers.IntegerField(
        read_only=True, source="total", allow_null=True
    )
    created_by = serializers.SerializerMethodField(allow_null=True)

    class Meta:
        model = Download
        fields = read_only_fields = (
            "uid", "hub", "repo", "revision", "files", "commit", "path", "state",
            "reason", "progress", "bytes_done", "bytes_total", "files_total",
            "created_by", "created_at", "finished_at", "retry_at",
        )  # fmt: skip

    def get_path(self, download: Download) -> str:
        return str(download.path)

    def get_created_by(self, download: Download) -> str | None:
        by = download.created_by
        return by.get_username() if by else None
