"""Channels and deliveries as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.exceptions import Invalid
from common.messages import reason_of
from common.models import JobState
from models_app.json_fields import JsonFlag, JsonText, KnownFields
from models_app.serializers import ReasonSerializer
from monitoring.alerts.delivery.channels import MAX_URL_CHARS
from monitoring.alerts.delivery.editing import problems
from monitoring.alerts.enums import ChannelKind, DeliveryKind
from monitoring.alerts.models import Delivery, NotificationChannel
from monitoring.alerts.serializers import Choice

CONFIG_HELP = (
    '`{"recipients": [...]}` of mail, `{"url": "https://..."}` of a webhook, `{}` of'
    " web and apprise."
)
WRITE_ONLY_HELP = (
    "Never shown again. Of apprise its URL. Of a webhook what signs its messages; if"
    " left out, it is generated and shown once. Left out or empty in a change: stays."
)


@extend_schema_field({"type": "object", "additionalProperties": True})
class Config(serializers.JSONField):
    def to_internal_value(self, data: Any) -> Any:
        """Unchanged: what is allowed is a part of the validation."""
        return data


class ChannelSerializer(KnownFields, serializers.ModelSerializer[NotificationChannel]):
    name = JsonText(max_length=100)
    kind = Choice(choices=ChannelKind.choices)
    enabled = JsonFlag(required=False)
    config = Config(required=False, help_text=CONFIG_HELP)
    secret = JsonText(
        required=False, write_only=True, allow_blank=True, max_length=MAX_URL_CHARS,
        help_text=WRITE_ONLY_HELP,
    )  # fmt: skip
    language = Choice(choices=settings.LANGUAGES, required=False)
    disabled_reason = serializers.SerializerMethodField(
        allow_null=True, help_text="Why the platform disabled it."
    )

    class Meta:
        model = NotificationChannel
        fields: tuple[str, ...] = (
            "id", "name", "kind", "enabled", "config", "secret", "language",
            "disabled_reason", "last_sent_at", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = ("last_sent_at",)

    @extend_schema_field(ReasonSerializer(allow_null=True))
    def get_disabled_reason(
        self, channel: NotificationChannel
    ) -> dict[str, Any] | None:
        return reason_of(channel.disabled_code, {})

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        known = self.instance
        instance = known if isinstance(known, NotificationChannel) else None
        if found := problems(attrs, instance=instance):
            raise Invalid(found)
        return attrs


class NewChannelSerializer(ChannelSerializer):
    secret = serializers.CharField(  # type: ignore[assignment]
        read_only=True, help_text="Of a new webhook, this once. Otherwise empty."
    )


class SecretSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="Shown this once.")


class DeliveredAlertSerializer(serializers.Serializer[Any]):
    uid = serializers.CharField()
    event = serializers.ChoiceField(choices=["firing", "resolved"])


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    channel = serializers.IntegerField(source="channel_id")
    channel_name = serializers.CharField(source="channel.name")
    kind = serializers.ChoiceField(choices=DeliveryKind.choices)
    state = serializers.ChoiceField(choices=JobState.choices)
    alerts = DeliveredAlertSerializer(many=True)
    reason = ReasonSerializer(
        allow_null=True, help_text="Why it failed, or is tried again later."
    )

    class Meta:
        model = Delivery
        fields = read_only_fields = (
            "id", "uid", "channel", "channel_name", "kind", "state", "alerts",
            "response_status", "reason", "attempts", "created_at", "started_at",
            "finished_at", "retry_at",
        )  # fmt: skip
