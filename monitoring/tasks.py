"""Background tasks, called by the task queue."""

from monitoring.alerts.retention import delete_old
from monitoring.history import retention, rollup


def roll_up() -> None:
    rollup.roll_up()


def prune() -> None:
    retention.prune()
    delete_old()
