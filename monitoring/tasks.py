"""Background tasks, called by the task queue."""

from monitoring.exports import jobs
from monitoring.history import retention, rollup


def roll_up() -> None:
    rollup.roll_up()


def prune() -> None:
    retention.prune()
    jobs.prune()


def write_export() -> None:
    jobs.write_next()
