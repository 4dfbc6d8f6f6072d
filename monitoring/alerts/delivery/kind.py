"""Deliveries as jobs: which sender, when to try again, what to record."""

from __future__ import annotations

import logging
import random
import traceback
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from django.db.models import QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from common import job_runner
from common.failpoints import reach
from common.jobs import JobFailed, JobLost, Kind
from models_app.activity import Actor, record
from models_app.permissions import is_admin
from monitoring.alerts.delivery import apprise_url, mail, web, webhook
from monitoring.alerts.delivery.network import Attempt, Failed, Policy
from monitoring.alerts.delivery.notification import Notification
from monitoring.alerts.enums import ChannelKind, DeliveryKind
from monitoring.alerts.models import Delivery, NotificationChannel

logger = logging.getLogger(__name__)

# After the first attempt, which is made at once
DELAYS_S = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
JITTER = 0.2

Sender = Callable[[NotificationChannel, Notification, Attempt], int | None]
SENDERS: dict[str, Sender] = {
    ChannelKind.WEB: web.send,
    ChannelKind.MAIL: mail.send,
    ChannelKind.WEBHOOK: webhook.send,
    ChannelKind.APPRISE: apprise_url.send,
}


class Deliveries(Kind[Delivery]):
    """Threads of the dispatcher run them. One that was killed between sending and
    recording sends again, with the same uid."""

    name = "delivery"
    title = _("Delivery")
    model = Delivery
    spawned = False
    max_attempts = len(DELAYS_S) + 1
    interrupted = "delivery_interrupted"
    crashed = "delivery_crashed"

    def run(self, job: Delivery) -> None:
        reach("delivery.claimed")
        try:
            status = deliver(job)
        except Failed as failure:
            job_runner.report(job, response_status=failure.response_status)
            if failure.code == "webhook_gone":
                disable(job.channel, failure.code)
            retry = failure.passing and job.kind != DeliveryKind.TEST
            raise JobFailed(
                failure.code, failure.params, retry, failure.wait_s
            ) from None
        except JobLost:
            raise
        except Exception as error:
            # Its text may hold a secret, such as the URL of a channel.
            logger.error(
                "delivery %s: %s at %s", job.uid, type(error).__name__, _place(error)
            )
            close_old_connections()  # it may have been the database's
            retry = job.kind != DeliveryKind.TEST
            raise JobFailed(self.crashed, retry=retry) from None
        reach("delivery.sent")
        job_runner.report(job, response_status=status)
        reach("delivery.recorded")

    def delay(self, attempts: int, failure: JobFailed) -> float:
        delay = DELAYS_S[min(max(attempts, 1), len(DELAYS_S)) - 1]
        jitter = 1 + random.uniform(0, JITTER)  # noqa: S311 -- not a secret
        return max(failure.wait_s, delay * jitter)

    def visible_to(self, user: Any) -> QuerySet[Delivery]:
        return self.jobs() if is_admin(user) else self.jobs().none()

    def may_change(self, user: Any, job: Delivery) -> bool:
        return is_admin(user)

    def on_event(self, event: str, job: Delivery, actor: Actor = None) -> None:
        if event == "done":
            NotificationChannel.objects.filter(pk=job.channel_id).update(
                last_sent_at=timezone.now()
            )
        elif event == "failed" and job.kind != DeliveryKind.TEST:
            params: dict[str, object] = {"channel": job.channel.name}
            record("delivery_failed", params=params, reason=(job.code, job.params))


KIND = Deliveries()


def deliver(job: Delivery) -> int | None:
    """Raises Failed."""
    channel = job.channel
    if not channel.enabled and job.kind != DeliveryKind.TEST:
        raise Failed("channel_is_disabled")
    policy = Policy(settings.WEBHOOK_ALLOWED_NETWORKS)
    with translation.override(channel.language):
        notification = Notification(job)
        with Attempt(policy) as attempt:
            return SENDERS[channel.kind](channel, notification, attempt)


def disable(channel: NotificationChannel, code: str) -> None:
    changed = NotificationChannel.objects.filter(pk=channel.pk, enabled=True).update(
        enabled=False, disabled_code=code
    )
    if changed:
        params: dict[str, object] = {"channel": channel.name}
        record("channel_disabled", params=params, reason=(code, {}))


def _place(error: Exception) -> str:
    """File and line, without what was computed there."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"
