"""Delete alerts that ended long ago."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from common.retention import retention_now
from monitoring.alerts.enums import AlertState
from monitoring.alerts.models import Alert


def delete_old() -> None:
    oldest = retention_now() - timedelta(days=settings.ACTIVITY_DAYS)
    ended = Alert.objects.exclude(state__in=AlertState.OPEN)
    ended.filter(ended_at__lt=oldest).delete()
