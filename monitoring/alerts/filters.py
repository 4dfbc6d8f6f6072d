"""Which alerts and deliveries a list shows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from django_filters.widgets import CSVWidget
from drf_spectacular.utils import extend_schema_field

from common.models import JobState
from models_app.serializers import MAX_ID
from monitoring.alerts.enums import AlertState, Severity
from monitoring.alerts.models import Alert, Delivery
from monitoring.metrics import METRICS

FLAGS = (("true", "true"), ("false", "false"))


@extend_schema_field({"type": "integer", "minimum": 1, "maximum": MAX_ID})
class IdFilter(filters.NumberFilter):  # type: ignore[misc]
    field_class = forms.IntegerField

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=MAX_ID, **options)

    def get_max_validator(self) -> None:
        """max_value is there already."""


class MomentField(IsoDateTimeField):  # type: ignore[misc]
    def to_python(self, value: Any) -> Any:
        """Left out is None; an empty text is not a time."""
        if value == "":
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


@extend_schema_field({"type": "string", "format": "date-time"})
class MomentFilter(filters.IsoDateTimeFilter):  # type: ignore[misc]
    field_class = MomentField


class Texts(CSVWidget):  # type: ignore[misc]
    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Repeated parameters are equivalent to a list with commas."""
        texts = data.getlist(name)
        return [text for each in texts for text in each.split(",") if text] or None


class AnyOf(filters.BaseInFilter, filters.ChoiceFilter):  # type: ignore[misc]
    """Any of several choices."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=Texts, **options)


class AnySource(filters.BaseInFilter, filters.CharFilter):  # type: ignore[misc]
    def __init__(self, **options: Any) -> None:
        super().__init__(widget=Texts, **options)


class AlertFilter(filters.FilterSet):  # type: ignore[misc]
    state = AnyOf(choices=AlertState.choices)
    severity = AnyOf(choices=Severity.choices)
    rule = IdFilter(field_name="rule_id", help_text="Id of a rule.")
    source_kind = filters.CharFilter(help_text="host, gpu, model or platform.")
    source = AnySource(field_name="source_key", help_text="Keys of sources.")
    metric = AnyOf(choices=[(name, name) for name in METRICS])
    acknowledged = filters.ChoiceFilter(choices=FLAGS, method="by_acknowledged")
    since = MomentFilter(method="ended_after", help_text="Not over before this time.")
    until = MomentFilter(
        field_name="fired_at", lookup_expr="lt", help_text="Fired before this time."
    )

    class Meta:
        model = Alert
        fields: tuple[str, ...] = ()

    def by_acknowledged(
        self, alerts: QuerySet[Alert], _name: str, value: str
    ) -> QuerySet[Alert]:
        return alerts.filter(acknowledged_at__isnull=value == "false")

    def ended_after(
        self, alerts: QuerySet[Alert], _name: str, value: Any
    ) -> QuerySet[Alert]:
        return alerts.filter(Q(ended_at=None) | Q(ended_at__gte=value))


class DeliveryFilter(filters.FilterSet):  # type: ignore[misc]
    channel = IdFilter(field_name="channel_id", help_text="Id of a channel.")
    state = AnyOf(choices=JobState.choices)

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = ()
