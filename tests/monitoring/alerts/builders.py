"""Rules, channels and readings for tests."""

from monitoring.alerts.models import AlertRule, NotificationChannel
from monitoring.history.aggregation.bucket_values import add_number

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
