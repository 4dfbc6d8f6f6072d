"""What people do with alerts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from common.exceptions import Conflict, Invalid
from common.problems import Problem
from models_app.activity import Actor, record
from models_app.models import ServedModel
from monitoring.alerts.enums import AlertState
from monitoring.alerts.models import Alert, AlertReadMark

LONGEST_SILENCE = timedelta(days=90)
CHANGEABLE = (AlertState.FIRING, AlertState.NO_DATA)


def acknowledge(alert: Alert, actor: Actor = None) -> Alert:
    """The first one counts; no change for the second. Raises Conflict when the alert is
    over."""
    changes = {"acknowledged_by": _name(actor), "acknowledged_at": timezone.now()}
    with transaction.atomic():
        open_alerts = _changeable(alert)
        if open_alerts.filter(acknowledged_at=None).update(**changes):
            _record("alert_acknowledged", alert, actor)
        elif not open_alerts.exists():
            raise Conflict("alert_not_firing", alert=str(alert))
    alert.refresh_from_db()
    return alert


def silence(alert: Alert, until: datetime, actor: Actor = None) -> Alert:
    """No messages about the alert until then, and none about its end before. Replaces
    an earlier silence. Raises Invalid for a wrong end, or Conflict when it is over."""
    latest = timezone.now() + LONGEST_SILENCE
    if not timezone.now() < until <= latest:
        params = {"value": iso(until), "max": iso(latest)}
        raise Invalid([Problem(code="alert_silence_end", field="until", params=params)])
    with transaction.atomic():
        changes = {"silenced_by": _name(actor), "silenced_until": until}
        if not _changeable(alert).update(**changes):
            raise Conflict("alert_not_firing", alert=str(alert))
        _record("alert_silenced", alert, actor, until=iso(until))
    alert.refresh_from_db()
    return alert


def unsilence(alert: Alert, actor: Actor = None) -> Alert:
    """Raises Conflict when it is not silenced, or over."""
    with transaction.atomic():
        silenced = _changeable(alert).filter(silenced_until__gt=timezone.now())
        if not silenced.update(silenced_by="", silenced_until=None):
            code = (
                "alert_not_silenced"
                if _changeable(alert).exists()
                else "alert_not_firing"
            )
            raise Conflict(code, alert=str(alert))
        _record("alert_unsilenced", alert, actor)
    alert.refresh_from_db()
    return alert


def mark_read(user: Any) -> None:
    """This user has seen all alerts up to now."""
    now = {"read_at": timezone.now()}
    AlertReadMark.objects.update_or_create(user=user, defaults=now)


def unread(user: Any) -> int:
    """Alerts that fired since this user last looked at them."""
    mark = AlertReadMark.objects.filter(user=user).first()
    since = mark.read_at if mark else user.date_joined
    return Alert.objects.filter(web=True, fired_at__gt=since).count()


def iso(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds")


def _changeable(alert: Alert) -> Any:
    return Alert.objects.filter(pk=alert.pk, state__in=CHANGEABLE)


def _name(actor: Actor) -> str:
    return actor.get_username()[:150] if actor else ""


def _record(code: str, alert: Alert, actor: Actor, **params: object) -> None:
    model = None
    if alert.source_kind == "model" and alert.source_key.isdigit():
        model = ServedModel.objects.filter(pk=alert.source_key).first()
    known = {"rule": alert.rule_name, "source": alert.source_name}
    record(code, model=model, actor=actor, params={**known, **params})
