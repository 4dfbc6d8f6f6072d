"""Decides which alerts are sent to which channel, and writes the messages' rows.

Runs in the transaction of the state change. Messages of one channel are at least
ALERT_GROUP_SECONDS apart; what happens meanwhile joins the one that waits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from common import clock
from common.models import JobState
from models_app.enums import RunState
from models_app.models import Run
from monitoring.alerts.enums import AlertState, ChannelKind, DeliveryKind
from monitoring.alerts.evaluation.states import Event
from monitoring.alerts.models import Alert, Delivery

Alerts = QuerySet[Alert]
# uid of an alert, and its event; reminder: sent before
Entry = dict[str, str]

# A run that ended shortly before its GPU was seen to be unavailable ended for it.
CAUSE_S = 60
GPU_PRESET = "gpu_unavailable"


def enqueue(events: Sequence[tuple[Alert, Event]]) -> None:
    """GPUs before models, since a lost GPU explains what happens to its models."""
    entries: dict[int, list[Entry]] = defaultdict(list)
    for alert, event in sorted(events, key=lambda pair: pair[0].source_kind != "gpu"):
        if event == "firing":
            _inherit_silence(alert)
            _mute(alert)
        if is_sent(alert, event):
            _address(alert, event, entries)
    _write(entries)


def enqueue_reminders() -> None:
    """Alerts that keep firing, once per repeat interval; and those that were never
    sent because of a silence or another alert that has ended."""
    now = timezone.now()
    firing = Alert.objects.filter(
        state=AlertState.FIRING, acknowledged_at=None, rule__isnull=False
    ).select_related("rule")
    explained = Q(muted_by__state__in=AlertState.OPEN)
    entries: dict[int, list[Entry]] = defaultdict(list)
    for alert in firing.exclude(explained).exclude(silenced_until__gt=now):
        if _is_due(alert):
            _address(alert, "firing", entries, reminder="1")
    _write(entries)


def is_sent(alert: Alert, event: Event) -> bool:
    """The end of an alert is sent where its beginning was, unless it is silenced."""
    if alert.silenced_until and alert.silenced_until > timezone.now():
        return False
    if event == "resolved":
        return alert.notified_at is not None
    return alert.muted_by is None


def _is_due(alert: Alert) -> bool:
    if alert.notified_at is None:
        return True
    seconds = alert.rule.repeat_interval_s if alert.rule else 0
    return bool(seconds) and (
        alert.notified_at + timedelta(seconds=seconds) <= timezone.now()
    )


def _inherit_silence(alert: Alert) -> None:
    """A silence holds for its series, also when it fires again."""
    earlier = Alert.objects.filter(
        rule=alert.rule,
        source_kind=alert.source_kind,
        source_key=alert.source_key,
        silenced_until__gt=timezone.now(),
    )
    if silenced := earlier.exclude(pk=alert.pk).order_by("-pk").first():
        alert.silenced_until = silenced.silenced_until
        alert.silenced_by = silenced.silenced_by
        alert.save(update_fields=["silenced_until", "silenced_by"])


def _mute(alert: Alert) -> None:
    """By the alert of the GPU on which the model's last run ended."""
    if alert.source_kind != "model" or not alert.source_key.isdigit():
        return
    ended = Run.objects.filter(model_id=int(alert.source_key), state=RunState.ENDED)
    last = ended.order_by("-ended_at").first()
    if last is None or last.ended_at is None or not last.gpu_uuids:
        return
    cause = Alert.objects.filter(
        preset=GPU_PRESET,
        source_key__in=last.gpu_uuids,
        state__in=(AlertState.FIRING, AlertState.NO_DATA),
        started_at__lte=last.ended_at + timedelta(seconds=CAUSE_S),
    ).first()
    if cause:
        alert.muted_by = cause
        alert.save(update_fields=["muted_by"])


def _address(
    alert: Alert, event: Event, entries: dict[int, list[Entry]], **more: str
) -> None:
    channels = list(alert.rule.channels.filter(enabled=True)) if alert.rule else []
    fields: dict[str, Any] = {"notified_at": timezone.now()}
    if any(channel.kind == ChannelKind.WEB for channel in channels):
        fields["web"] = True
    Alert.objects.filter(pk=alert.pk).update(**fields)
    for channel in channels:
        if channel.kind != ChannelKind.WEB:
            entries[channel.pk].append({"uid": alert.uid, "event": event, **more})


def _write(entries: dict[int, list[Entry]]) -> None:
    for channel, more in entries.items():
        waiting = Delivery.objects.select_for_update().filter(
            channel_id=channel, kind=DeliveryKind.ALERTS, state=JobState.QUEUED,
            claim="",
        )  # fmt: skip
        row = waiting.order_by("-pk").first()
        if row is None or not _extend(waiting, row, more):
            _create(channel, more)


def _extend(waiting: QuerySet[Delivery], row: Delivery, more: list[Entry]) -> bool:
    """False: it has just been claimed."""
    alerts = _joined(row.alerts, more)
    if not alerts:
        ended = {"state": JobState.CANCELLED, "finished_at": timezone.now()}
        return bool(waiting.filter(pk=row.pk).update(alerts=[], **ended))
    return bool(waiting.filter(pk=row.pk).update(alerts=alerts))


def _joined(entries: Iterable[Entry], more: Iterable[Entry]) -> list[Entry]:
    """An alert that ends before its message is sent is not worth one."""
    joined = {entry["uid"]: entry for entry in entries}
    for entry in more:
        earlier = joined.pop(entry["uid"], None)
        is_new = earlier and earlier["event"] == "firing" and "reminder" not in earlier
        if not (is_new and entry["event"] == "resolved"):
            joined[entry["uid"]] = entry
    return list(joined.values())


def _create(channel: int, entries: list[Entry]) -> None:
    now = timezone.now()
    wait = timedelta(seconds=settings.ALERT_GROUP_SECONDS)
    last = (
        Delivery.objects.filter(channel_id=channel, kind=DeliveryKind.ALERTS)
        .exclude(state=JobState.CANCELLED)
        .order_by("-pk")
        .first()
    )
    begins = max(now, last.created_at + wait) if last else now
    # After the clock was set back, nothing waits longer than usual.
    delay = min((begins - now), wait).total_seconds()
    Delivery.objects.create(
        channel_id=channel,
        kind=DeliveryKind.ALERTS,
        alerts=entries,
        total=len(entries),
        boot_id=clock.boot_id(),
        retry_at=begins if delay else None,
        retry_uptime=clock.uptime() + delay if delay else None,
    )
