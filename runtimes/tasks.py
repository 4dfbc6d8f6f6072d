"""Tasks of the queue."""

from runtimes.cleanup import clean_up
from runtimes.supervision import launch as launching


def launch(uid: str) -> None:
    launching.launch(uid)


def cleanup() -> None:
    clean_up()
