"""What a delivery contains, in the language that is active."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from monitoring.alerts.enums import AlertState, DeliveryKind, Severity
from monitoring.alerts.models import Alert, Delivery
from monitoring.alerts.sentences import alert_sentence, rule_name

SHOWN = 20
MAX_TITLE_CHARS = 150
RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Line:
    """One alert. event: what happened when the message was written, "firing" or
    "resolved"; the state of the alert may have changed since."""

    alert: Alert
    event: str

    @property
    def text(self) -> str:
        return f"[{Severity(self.alert.severity).label}] {alert_sentence(self.alert)}"

    @property
    def times(self) -> str:
        began, ended = self.alert.fired_at, self.alert.ended_at
        since = _time(began or self.alert.started_at)
        if ended is None:
            return _("Firing since %(time)s") % {"time": since}
        return _("Fired at %(start)s, resolved at %(end)s") % {
            "start": since,
            "end": _time(ended),
        }


class Notification:
    """lines: of at most SHOWN alerts; more: how many are left out."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.uid = delivery.uid
        events = {str(each["uid"]): str(each["event"]) for each in delivery.alerts}
        shown = list(events)[:SHOWN]
        alerts = {alert.uid: alert for alert in Alert.objects.filter(uid__in=shown)}
        self.lines = [Line(alerts[uid], events[uid]) for uid in shown if uid in alerts]
        self.more = len(events) - len(shown)
        counts = Counter(events.values())
        self.resolved = counts.pop(RESOLVED, 0)
        self.firing = counts.total()

    @property
    def is_test(self) -> bool:
        return self.delivery.kind == DeliveryKind.TEST

    @cached_property
    def title(self) -> str:
        """One line."""
        text = "".join(c for c in " ".join(self._title().split()) if c.isprintable())
        return text[:MAX_TITLE_CHARS]

    @property
    def link(self) -> str:
        """Empty unless the site's address is known."""
        if not settings.PUBLIC_URL:
            return ""
        try:
            path = reverse("admin:monitoring_alert_changelist")
        except NoReverseMatch:
            path = reverse("admin:index")
        return f"{settings.PUBLIC_URL}{path}"

    @property
    def severity(self) -> str:
        """The worst of what fires; of what was resolved if nothing does."""
        levels = Severity.values
        firing = [each for each in self.lines if each.event != RESOLVED]
        found = [levels.index(each.alert.severity) for each in firing or self.lines]
        return levels[max(found, default=0)]

    def as_json(self, shown: int = SHOWN) -> dict[str, Any]:
        """Of a webhook; with at most so many alerts."""
        lines = self.lines[:shown]
        return {
            "type": "test" if self.is_test else "alerts",
            "timestamp": self.delivery.created_at.isoformat(),
            "data": {
                "title": self.title,
                "severity": self.severity,
                "firing": self.firing,
                "resolved": self.resolved,
                "omitted": self.firing + self.resolved - len(lines),
                "url": self.link,
                "alerts": [_as_json(each) for each in lines],
            },
        }

    def context(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "lines": self.lines,
            "more": self.more,
            "link": self.link,
            "is_test": self.is_test,
        }

    def _title(self) -> str:
        if self.is_test:
            return _("Test notification")
        if self.firing + self.resolved == 1 and self.lines:
            [line] = self.lines
            return _line_title(line)
        counts = {"firing": self.firing, "resolved": self.resolved}
        if not self.resolved:
            text = _("Alerts: %(firing)s firing") % counts
        elif not self.firing:
            return _("Alerts: %(resolved)s resolved") % counts
        else:
            text = _("Alerts: %(firing)s firing, %(resolved)s resolved") % counts
        return f"[{Severity(self.severity).label}] {text}"


def _line_title(line: Line) -> str:
    name, source = rule_name(line.alert), line.alert.source_name
    subject = f"{name}: {source}" if source else name
    if line.event == RESOLVED:
        return f"[{AlertState.RESOLVED.label}] {subject}"
    return f"[{Severity(line.alert.severity).label}] {subject}"


def _as_json(line: Line) -> dict[str, Any]:
    alert = line.alert
    return {
        "uid": alert.uid,
        "event": line.event,
        "state": alert.state,
        "rule": rule_name(alert),
        "severity": alert.severity,
        "metric": alert.metric,
        "aggregate": alert.aggregate,
        "comparison": alert.comparison,
        "threshold": alert.threshold,
        "value": alert.value,
        "source": {
            "kind": alert.source_kind,
            "key": alert.source_key,
            "name": alert.source_name,
        },
        "fired_at": alert.fired_at and alert.fired_at.isoformat(),
        "ended_at": alert.ended_at and alert.ended_at.isoformat(),
        "text": alert_sentence(alert),
    }


def _time(moment: Any) -> str:
    return date_format(timezone.localtime(moment), "Y-m-d H:i:s T")
