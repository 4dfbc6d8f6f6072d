"""Small real engines for tests of shim and driver."""

import sys
import time
import uuid
from pathlib import Path

from runtimes.drivers.process import ProcessDriver
from runtimes.frameworks.base import Command
from runtimes.shim import started_at


def a_uid() -> str:
    return uuid.uuid4().hex


def shell(script: str, stdin: str = "", **env: str) -> Command:
    return Command(argv=("/bin/sh", "-c", script), env=env, stdin=stdin)


def python(script: str, stdin: str = "") -> Command:
    return Command(argv=(sys.executable, "-S", "-c", script), env={}, stdin=stdin)


SLEEP = shell("exec sleep 60")


def until(condition, seconds=90.0):
    """What condition() returns as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return result


def lives(pid: int) -> bool:
    return started_at(pid) is not None


def open_files(pid: int) -> set[str]:
    return {entry.name for entry in Path(f"/proc/{pid}/fd").iterdir()}


def ended(driver: ProcessDriver, handle):
    """Exit of a run that is ending."""
    until(lambda: not driver.observe(handle).alive)
    return driver.observe(handle).exit


def kill_owned(driver: ProcessDriver) -> None:
    """Through the shims: only they know of processes that have lost their marks."""
    for uid in driver.owned():
        if handle := driver.find(uid):
            driver.kill(handle)
        else:
            driver.reap(uid)
    until(lambda: not driver.owned())


def pid_in(path: Path) -> int:
    """A process id that an engine writes there."""
    return int(until(lambda: path.exists() and path.read_text().strip()))
