"""What the task queue calls."""

from runtimes import housekeeping
from runtimes import launch as launching


def launch(uid: str) -> None:
    launching.launch(uid)


def tidy() -> None:
    housekeeping.tidy()
