"""Tasks of the queue."""

from runtimes.cleanup import delete_old_runs
from runtimes.supervision import launch as launching


def launch(uid: str) -> None:
    launching.launch(uid)


def cleanup() -> None:
    delete_old_runs()
