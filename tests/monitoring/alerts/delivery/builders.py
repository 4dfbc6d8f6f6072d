"""Channels, alerts and deliveries, one keyword per thing a test cares about."""

from datetime import timedelta

from django.utils import timezone

from monitoring.alerts.delivery.channels import new_webhook_secret
from monitoring.alerts.models import Alert, Delivery, NotificationChannel


def a_channel(kind="web", name=None, **fields) -> NotificationChannel:
    name = name or f"{kind} {NotificationChannel.objects.count()}"
    return NotificationChannel.objects.create(
        **{"kind": kind, "name": name, "language": "en", **fields}
    )


def a_webhook(url, **fields) -> NotificationChannel:
    fields = {"secret": new_webhook_secret(), **fields}
    return a_channel("webhook", config={"url": url}, **fields)


def a_mail_channel(*recipients, **fields) -> NotificationChannel:
    config = {"recipients": list(recipients) or ["ops@example.com"]}
    return a_channel("mail", config=config, **fields)


def an_alert(**fields) -> Alert:
    """Of a GPU that is too hot since a minute."""
    now = timezone.now()
    defaults = {
        "rule_name": "Hot",
        "metric": "gpu_temperature",
        "aggregate": "avg",
        "comparison": ">",
        "threshold": 80.0,
        "severity": "critical",
        "source_kind": "gpu",
        "source_key": "GPU-0",
        "source_name": "0 H100",
        "state": "firing",
        "started_at": now - timedelta(minutes=3),
        "fired_at": now - timedelta(minutes=1),
        "evaluated_at": now,
        "value": 84.0,
        "peak": 91.5,
    }
    return Alert.objects.create(**{**defaults, **fields})


def a_delivery(channel, *alerts, event="firing", **fields) -> Delivery:
    return Delivery.objects.create(
        channel=channel,
        **{"kind": "alerts", **fields},
        alerts=[{"uid": alert.uid, "event": event} for alert in alerts],
    )
