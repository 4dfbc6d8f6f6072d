"""The live topic of alerts: how many fire, and the newest of the bell."""

from __future__ import annotations

from collections import Counter
from typing import Any

from common import clock
from monitoring.alerts.enums import AlertState, Severity
from monitoring.alerts.models import Alert
from monitoring.live import publish

RECENT = 20
# People acknowledge and silence in other processes.
READ_S = 2.0


class AlertsTopic:
    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.read_at = 0.0

    def publish(self, *, changed: bool) -> None:
        """Every second, since messages are not repeated. Raises DatabaseError."""
        if changed or clock.uptime() - self.read_at >= READ_S:
            self.data = alerts_now()
            self.read_at = clock.uptime()
        publish.publish(publish.ALERTS, self.data)


def alerts_now() -> dict[str, Any]:
    firing = Alert.objects.filter(state__in=(AlertState.FIRING, AlertState.NO_DATA))
    severities = Counter(firing.values_list("severity", flat=True))
    recent = Alert.objects.filter(web=True).order_by("-fired_at", "-pk")[:RECENT]
    return {
        "firing": severities.total(),
        "by_severity": {name: severities[name] for name in Severity.values},
        "recent": [_summary(alert) for alert in recent],
    }


def _summary(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "uid": alert.uid,
        "rule": alert.rule_name,
        "preset": alert.preset,
        "severity": alert.severity,
        "state": alert.state,
        "metric": alert.metric,
        "source": {
            "kind": alert.source_kind,
            "key": alert.source_key,
            "name": alert.source_name,
        },
        "value": alert.value,
        "threshold": alert.threshold,
        "comparison": alert.comparison,
        "fired_at": alert.fired_at.isoformat() if alert.fired_at else None,
        "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
    }
