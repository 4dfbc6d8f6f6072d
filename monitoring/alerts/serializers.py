"""Alerts and rules as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from common.exceptions import Invalid
from common.messages import render
from models_app.json_fields import JsonFlag, JsonInteger, JsonText, KnownFields
from models_app.serializers import MAX_ID
from monitoring.alerts.backtest import MAX_DAYS
from monitoring.alerts.enums import Comparison, Severity
from monitoring.alerts.models import Alert, AlertRule
from monitoring.alerts.sentences import (
    alert_sentence,
    rule_name,
    rule_sentence,
)
from monitoring.alerts.validation import MAX_SCOPE, RANGES, problems
from monitoring.history.params import AGGREGATES
from monitoring.metrics import METRICS
from monitoring.serializers import SourceSerializer

NUMBER: dict[str, Any] = {"type": "number", "format": "double"}


class Raw(serializers.Field[Any, Any, Any, Any]):
    """Taken as it is: what is allowed is a part of the validation."""

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(NUMBER)
class Threshold(Raw):
    pass


@extend_schema_field({**NUMBER, "nullable": True})
class ClearThreshold(Raw):
    pass


class Choice(serializers.ChoiceField):
    """Any text: what is allowed is a part of the validation."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return data


class ChannelIds(serializers.ListField):
    def to_representation(self, data: Any) -> list[int]:
        return [channel.pk for channel in data.all()]


class AlertSourceSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(source="source_kind")
    key = serializers.CharField(source="source_key")
    name = serializers.CharField(source="source_name")


class AlertSerializer(serializers.ModelSerializer[Alert]):
    rule = serializers.IntegerField(source="rule_id", allow_null=True)
    rule_name = serializers.SerializerMethodField(
        help_text="In the language of the request, as long as a default rule has it."
    )
    sentence = serializers.SerializerMethodField()
    source = AlertSourceSerializer(source="*")  # type: ignore[assignment]
    muted_by = serializers.IntegerField(
        source="muted_by_id", allow_null=True,
        help_text="Id of the alert that explains this one, which is not sent then.",
    )  # fmt: skip

    class Meta:
        model = Alert
        fields = read_only_fields = (
            "id", "uid", "rule", "rule_name", "preset", "sentence", "metric",
            "aggregate", "comparison", "threshold", "severity", "source", "state",
            "started_at", "fired_at", "ended_at", "value", "peak", "detail",
            "acknowledged_by", "acknowledged_at", "silenced_by", "silenced_until",
            "muted_by", "notified_at",
        )  # fmt: skip

    def get_rule_name(self, alert: Alert) -> str:
        return rule_name(alert)

    def get_sentence(self, alert: Alert) -> str:
        return alert_sentence(alert)


class SilenceSerializer(serializers.Serializer[Any]):
    until = serializers.DateTimeField(
        help_text="In the future, at most 90 days from now."
    )


class UnreadSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="Alerts since the last `mark-read`.")


def _range(name: str, **options: Any) -> JsonInteger:
    low, high = RANGES[name]
    return JsonInteger(min_value=low, max_value=high, **options)


class RuleSerializer(KnownFields, serializers.ModelSerializer[AlertRule]):
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.BooleanField: JsonFlag,
        models.CharField: JsonText,
        models.TextField: JsonText,
    }
    metric = Choice(choices=list(METRICS))
    aggregate = Choice(choices=AGGREGATES)
    comparison = Choice(choices=Comparison.choices, required=False)
    severity = Choice(choices=Severity.choices, required=False)
    threshold = Threshold()
    clear_threshold = ClearThreshold(
        required=False, allow_null=True,
        help_text="A firing alert ends beyond this value. Default: the threshold.",
    )  # fmt: skip
    window_s = _range("window_s", required=False)
    for_s = _range("for_s", required=False)
    keep_firing_for_s = _range("keep_firing_for_s", required=False)
    min_count = _range(
        "min_count", required=False,
        help_text="Observations or requests below which there is no data.",
    )  # fmt: skip
    repeat_interval_s = _range("repeat_interval_s", required=False)
    preset = serializers.CharField(
        read_only=True, allow_blank=True, help_text="Of a default rule."
    )
    scope = serializers.ListField(
        child=JsonText(max_length=300), max_length=MAX_SCOPE, required=False,
        help_text="kind:key of sources. Empty: all that have the metric.",
    )  # fmt: skip
    channels = ChannelIds(
        child=JsonInteger(min_value=1, max_value=MAX_ID), max_length=100,
        required=False, help_text="Ids of notification channels.",
    )  # fmt: skip
    channel_names = serializers.SerializerMethodField()
    title = serializers.SerializerMethodField(
        help_text="The name, translated while it is that of a default rule."
    )
    sentence = serializers.SerializerMethodField()

    class Meta:
        model = AlertRule
        fields: tuple[str, ...] = (
            "id", "name", "title", "description", "preset", "sentence", "metric",
            "aggregate", "window_s", "comparison", "threshold", "clear_threshold",
            "for_s", "keep_firing_for_s", "min_count", "severity", "scope", "channels",
            "channel_names", "repeat_interval_s", "enabled", "state", "created_at",
            "updated_at",
        )  # fmt: skip
        read_only_fields = ("state",)
        # Without the uniqueness of the field itself: validation has a code for it.
        extra_kwargs: dict[str, dict[str, Any]] = {"name": {"validators": []}}

    def get_channel_names(self, rule: AlertRule) -> list[str]:
        return [channel.name for channel in rule.channels.all()]

    def get_title(self, rule: AlertRule) -> str:
        return rule_name(rule)

    def get_sentence(self, rule: AlertRule) -> str:
        return rule_sentence(rule, self.context.get("source_names"))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        instance = self.instance if isinstance(self.instance, AlertRule) else None
        if found := problems(attrs, instance=instance):
            raise Invalid(found)
        return attrs


class BacktestSerializer(RuleSerializer):
    """A rule as it would be saved."""

    id = JsonInteger(
        required=False, min_value=1, max_value=MAX_ID,
        help_text="Id of an existing rule: what it has already is not checked again.",
    )  # fmt: skip
    days = JsonInteger(required=False, min_value=1, max_value=MAX_DAYS, default=7)

    class Meta(RuleSerializer.Meta):
        fields: tuple[str, ...] = (*RuleSerializer.Meta.fields, "days")
        extra_kwargs: dict[str, dict[str, Any]] = {
            "name": {"validators": [], "required": False}
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Without the name, which may be that of the saved rule."""
        number = attrs.pop("id", None)
        rule = AlertRule.objects.filter(pk=number).first() if number else None
        if number and rule is None:
            raise NotFound(render("no_such_alert_rule", {"value": number}))
        fields = {k: v for k, v in attrs.items() if k not in ("name", "days")}
        before = AlertRule(scope=rule.scope) if rule else None
        if found := problems(fields, instance=before):
            raise Invalid(found)
        return attrs

    @property
    def rule(self) -> AlertRule:
        fields = dict(self.validated_data)
        for name in ("days", "channels"):
            fields.pop(name, None)
        return AlertRule(**fields)


class EpisodeSerializer(serializers.Serializer[Any]):
    source = SourceSerializer(source="*")  # type: ignore[assignment]
    start = serializers.FloatField(help_text="Seconds since the epoch.")
    end = serializers.FloatField(allow_null=True, help_text="Null: still firing.")


class BacktestResultSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    start = serializers.IntegerField(help_text="Seconds since the epoch.")
    end = serializers.IntegerField()
    resolution_s = serializers.IntegerField(help_text="Shorter episodes are not seen.")
    fired = serializers.IntegerField(help_text="How often.")
    seconds = serializers.FloatField(help_text="Firing, in all.")
    episodes = EpisodeSerializer(many=True, help_text="The newest 500.")
