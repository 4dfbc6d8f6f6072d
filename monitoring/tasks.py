"""Background tasks, called by the task queue."""

from functools import cache

from monitoring.alerts import retention as alert_retention
from monitoring.alerts.delivery.dispatcher import Dispatcher
from monitoring.alerts.watch import watch_monitor
from monitoring.history import retention, rollup
from monitoring.usage import retention as usage_retention


def roll_up() -> None:
    rollup.roll_up()


def prune() -> None:
    retention.prune()
    alert_retention.delete_old()
    usage_retention.delete_old()


def watch() -> None:
    """Scheduled by the task queue itself: nobody else enqueues it. Sends as well, since
    the monitor may be down."""
    try:
        watch_monitor()
    finally:
        _dispatcher().step()


@cache
def _dispatcher() -> Dispatcher:
    return Dispatcher()
