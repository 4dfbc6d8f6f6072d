"""Delete usage by age."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from common.retention import retention_now
from monitoring.models import Watermark
from monitoring.usage.ledger import WATERMARK
from monitoring.usage.models import UsageRecord

# Of a gateway that has ended; while it runs, it writes as soon as there is traffic.
MARKS_KEPT = timedelta(days=30)
CHUNK = 5000


def delete_old() -> None:
    now = retention_now()
    oldest = int((now - timedelta(days=settings.USAGE_DAYS)).timestamp())
    old = UsageRecord.objects.filter(hour__lt=oldest).order_by("hour")
    while pks := list(old.values_list("pk", flat=True)[:CHUNK]):
        UsageRecord.objects.filter(pk__in=pks).delete()
    ended = int((now - MARKS_KEPT).timestamp())
    Watermark.objects.filter(name__startswith=WATERMARK, at__lt=ended * 1000).delete()
