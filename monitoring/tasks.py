"""What the task queue calls."""

from monitoring import retention, rolling
from monitoring.exports import jobs


def roll_up() -> None:
    rolling.roll_up()


def prune() -> None:
    retention.prune()
    jobs.prune()


def write_export() -> None:
    jobs.write_next()
