"""The bell of the pages, which reads alerts from the database."""

from __future__ import annotations

from monitoring.alerts.delivery.network import Attempt
from monitoring.alerts.delivery.notification import Notification
from monitoring.alerts.models import Alert, NotificationChannel


def send(
    channel: NotificationChannel, notification: Notification, attempt: Attempt
) -> None:
    uids = [each["uid"] for each in notification.delivery.alerts]
    Alert.objects.filter(uid__in=uids).update(web=True)
