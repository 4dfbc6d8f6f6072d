"""Alerts as pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Case, QuerySet, Value, When
from django.urls import reverse
from django.utils import timezone

from monitoring.alerts.actions import CHANGEABLE
from monitoring.alerts.enums import Severity
from monitoring.alerts.models import Alert
from monitoring.alerts.sentences import alert_sentence, duration, rule_name

# On pages that show more than alerts
SHOWN = 10
ACTIVE_SHOWN = 100
AROUND = timedelta(minutes=30)
WORST_FIRST = Case(
    *(When(severity=s, then=Value(-n)) for n, s in enumerate(Severity.values)),
    default=Value(0),
)


@dataclass(frozen=True, slots=True)
class Row:
    alert: Alert

    @property
    def name(self) -> str:
        return rule_name(self.alert)

    @property
    def sentence(self) -> str:
        """With what the value is about, such as the name of a token."""
        text = alert_sentence(self.alert)
        return f"{text} · {self.alert.detail}" if self.alert.detail else text

    @property
    def is_changeable(self) -> bool:
        return self.alert.state in CHANGEABLE

    @property
    def is_acknowledged(self) -> bool:
        return self.alert.acknowledged_at is not None

    @property
    def is_silenced(self) -> bool:
        until = self.alert.silenced_until
        return until is not None and until > timezone.now()

    @property
    def lasted(self) -> str:
        alert = self.alert
        if alert.fired_at is None:
            return ""
        end = alert.ended_at or timezone.now()
        return duration((end - alert.fired_at).total_seconds())

    @property
    def history_url(self) -> str:
        """The metric's chart around the alert."""
        alert = self.alert
        end = min(alert.ended_at or timezone.now(), timezone.now())
        query = {
            "metric": alert.metric,
            "source": f"{alert.source_kind}:{alert.source_key}",
            "start_time": _text(alert.started_at - AROUND),
            "end_time": _text(end + AROUND),
        }
        return f"{reverse('admin:monitoring_history')}?{urlencode(query)}"


def active(count: int = ACTIVE_SHOWN) -> list[Row]:
    """The worst first, then the newest."""
    firing: QuerySet[Alert] = Alert.objects.filter(state__in=CHANGEABLE)
    return [Row(alert) for alert in firing.order_by(WORST_FIRST, "-fired_at")[:count]]


def _text(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds")
