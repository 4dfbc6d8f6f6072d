"""Background tasks, called by the task queue."""

from functools import cache

from monitoring.alerts.delivery.dispatcher import Dispatcher
from monitoring.alerts.retention import delete_old
from monitoring.alerts.watch import watch_monitor
from monitoring.history import retention, rollup


def roll_up() -> None:
    rollup.roll_up()


def prune() -> None:
    retention.prune()
    delete_old()


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
