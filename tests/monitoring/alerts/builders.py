"""Rules, alerts, channels and readings for tests."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from monitoring.alerts.models import Alert, AlertRule, NotificationChannel
from monitoring.history.aggregation.bucket_values import add_number
from monitoring.models import Source

GPU = ("gpu", "GPU-1")


def make_rule(**fields):
    fields = {
        "name": f"Hot {AlertRule.objects.count()}",
        "metric": "gpu_temperature",
        "aggregate": "max",
        "window_s": 10,
        "threshold": 80,
        **fields,
    }
    channels = fields.pop("channels", [])
    rule = AlertRule.objects.create(**fields)
    rule.channels.set(channels)
    return rule


def make_channel(**fields):
    count = NotificationChannel.objects.count()
    fields = {
        "name": f"Ops {count}",
        "kind": "webhook",
        "config": {"url": "https://example.org/hook"},
        **fields,
    }
    return NotificationChannel.objects.create(**fields)


def put(manager, value, now, *, source=GPU, metric="gpu_temperature"):
    """A reading of this moment. None: nothing is measured any more."""
    manager.windows.buckets.pop(source, None)
    if value is not None:
        values = {}
        add_number(values, metric, value)
        start = int(now) // 10 * 10
        manager.windows.put(source, source[1], start, "test", values)


def a_rule(name="Hot", **fields) -> AlertRule:
    """A temperature above 80 °C for two minutes on any GPU."""
    return AlertRule.objects.create(**rule_fields(name=name, **fields))


def rule_fields(**fields) -> dict[str, Any]:
    return {
        "name": "Hot",
        "metric": "gpu_temperature",
        "aggregate": "avg",
        "threshold": 80.0,
        "for_s": 120,
        **fields,
    }


def an_alert(rule: AlertRule | None = None, **fields) -> Alert:
    """Of a GPU that is too hot since a minute."""
    now = timezone.now()
    copied = {
        name: getattr(rule or AlertRule(**rule_fields()), name)
        for name in (
            "preset", "metric", "aggregate", "comparison", "threshold", "severity"
        )
    }  # fmt: skip
    defaults = {
        "rule": rule,
        "rule_name": rule.name if rule else "Hot",
        **copied,
        "source_kind": "gpu",
        "source_key": "GPU-0",
        "source_name": "0 H100",
        "state": "firing",
        "started_at": now - timedelta(minutes=3),
        "fired_at": now - timedelta(minutes=1),
        "evaluated_at": now,
        "value": 84.0,
        "peak": 91.5,
        "web": True,
    }
    return Alert.objects.create(**{**defaults, **fields})


def a_source(kind="gpu", key="GPU-0", name="0 H100", **fields) -> Source:
    seen = int(timezone.now().timestamp())
    defaults = {"first_seen": seen - 3600, "last_seen": seen}
    return Source.objects.create(
        **{"kind": kind, "key": key, "name": name, **defaults, **fields}
    )


def a_channel(name="bell", kind="web", **fields) -> NotificationChannel:
    return NotificationChannel.objects.create(name=name, kind=kind, **fields)


def remove_default_rules() -> None:
    AlertRule.objects.all().delete()
