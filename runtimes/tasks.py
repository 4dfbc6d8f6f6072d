"""Tasks of the queue."""

from runtimes.cleanup import delete_old_runs
from runtimes.downloads import starting, tidying
from runtimes.installations import pulls
from runtimes.supervision import launch as launching


def launch(uid: str) -> None:
    launching.launch(uid)


def cleanup() -> None:
    delete_old_runs()
    tidying.tidy()
    pulls.tidy()


def download() -> None:
    starting.start()


def pull_image(uid: str) -> None:
    pulls.start(uid)
