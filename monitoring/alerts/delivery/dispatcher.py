"""Send what is due: a thread for each channel, so that a slow one delays no other."""

from __future__ import annotations

import logging
import threading
from time import monotonic

from django.db import DatabaseError, close_old_connections, connection
from django.db.models import Min, Q, QuerySet

from common import clock, job_runner
from common.models import SILENT_S, JobState
from monitoring.alerts.delivery.kind import KIND
from monitoring.alerts.models import Delivery

logger = logging.getLogger(__name__)

MAX_CHANNELS = 16
# Then channels that wait for one of the threads get a turn.
TURN_S = 30.0


def due() -> QuerySet[Delivery]:
    """Queued and not to be delayed, or claimed by a process that is gone."""
    now, boot_id = clock.uptime(), clock.boot_id()
    earlier_boot = ~Q(boot_id=boot_id)
    waits_no_longer = Q(retry_uptime=None) | Q(retry_uptime__lte=now) | earlier_boot
    silent = Q(heartbeat=None) | Q(heartbeat__lt=now - SILENT_S) | earlier_boot
    return Delivery.objects.filter(
        Q(state=JobState.QUEUED) & waits_no_longer | Q(state=JobState.RUNNING) & silent
    )


class Dispatcher:
    """Any number of them, in any number of processes, send each delivery once, unless
    one is killed meanwhile."""

    def __init__(self, channels: int = MAX_CHANNELS) -> None:
        self.channels = channels
        self.threads: dict[int, threading.Thread] = {}
        self.closing = threading.Event()

    def step(self) -> None:
        """Waits for nobody. Raises DatabaseError."""
        self.threads = {pk: t for pk, t in self.threads.items() if t.is_alive()}
        free = self.channels - len(self.threads)
        if free <= 0:
            return
        waiting = (
            due()
            .exclude(channel__in=list(self.threads))
            .order_by()
            .values_list("channel")
            .annotate(first=Min("pk"))
            .order_by("first")
        )
        for channel, _ in waiting[:free]:
            thread = threading.Thread(
                target=self._work, args=(channel,), name=f"channel-{channel}",
                daemon=True,
            )  # fmt: skip
            self.threads[channel] = thread
            thread.start()

    def close(self, seconds: float = 0.0) -> None:
        """Starts nothing more, and waits for what is being sent. What is cut off will
        be sent again."""
        self.closing.set()
        ends_at = monotonic() + seconds
        for thread in self.threads.values():
            thread.join(max(0.0, ends_at - monotonic()))

    def send(self, channel: int) -> None:
        """What is due for one channel, oldest first."""
        ends_at = monotonic() + TURN_S
        while not self.closing.is_set() and monotonic() < ends_at:
            job = due().filter(channel=channel).order_by("pk").first()
            if job is None:
                return
            if job_runner.take(KIND, job):
                job.refresh_from_db()
                job_runner.run(KIND, job)

    def _work(self, channel: int) -> None:
        try:
            self.send(channel)
        except DatabaseError as error:
            logger.error("deliveries: database unavailable: %s", error)
            close_old_connections()
        finally:
            connection.close()
