"""What the task queue calls."""

from runtimes import launch as launching


def launch(uid: str) -> None:
    launching.launch(uid)
