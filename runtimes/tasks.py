"""What the task queue calls."""

from runtimes import housekeeping
from runtimes.downloads import starting, tidying
from runtimes.installations import pulls
from runtimes.supervision import launch as launching


def launch(uid: str) -> None:
    launching.launch(uid)


def tidy() -> None:
    housekeeping.tidy()
    tidying.tidy()
    pulls.tidy()


def download() -> None:
    starting.start()


def pull_image(uid: str) -> None:
    pulls.start(uid)
