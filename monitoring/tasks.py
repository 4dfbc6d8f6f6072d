"""What the task queue calls."""

from monitoring import retention, rolling


def roll_up() -> None:
    rolling.roll_up()


def prune() -> None:
    retention.prune()
