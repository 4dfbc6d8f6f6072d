"""Runs a command so that nothing it starts outlives it: `python guard.py COMMAND...`.

Three processes stand in a row. The starter is in the foreground and passes signals on.
The guard has a session of its own, so that a signal to the foreground's group misses
it. The command dies with the guard. Starter and guard are child subreapers: whatever
detaches itself stays below them, however often it forks or changes its session. Killing
any of the three, even with SIGKILL, leaves another one to clean up.

Exits with 1 if the command succeeded but left processes behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# Holds the guard's pid, for everything below it.
VARIABLE = "LLMPLATFORM_TEST_GUARD"
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# Processes that were told to end just before the command ended get this long.
GRACE_S = 3.0
# A process in uninterruptible sleep cannot be killed until it wakes up.
KILL_S = 30.0
LIBC = ctypes.CDLL(None, use_errno=True)


def main(command: list[str]) -> int:
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    # Short: Unix sockets lie in it, and their paths have 108 characters at most.
    folder = tempfile.mkdtemp(prefix="llmt-", dir="/tmp")
    Path(folder).chmod(0o711)  # a PostgreSQL server runs as another user
    starter = os.getpid()
    guard = os.fork()
    if not guard:
        os._exit(supervise(command, folder, starter))
    for number in FORWARDED:
        signal.signal(number, lambda received, _: os.kill(guard, received))
    code = exit_code(os.waitpid(guard, 0)[1])
    ignore_signals()
    # Only a guard that was killed leaves something to do.
    kill_all()
    shutil.rmtree(folder, ignore_errors=True)
    return code


class Interrupted(Exception):
    """The command is to end now."""


def supervise(command: list[str], folder: str, starter: int) -> int:
    """The guard: returns once nothing is left of the command."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    os.setsid()
    for number in FORWARDED:
        signal.signal(number, interrupt)
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    code = 128 + signal.SIGTERM
    try:
        die_with_parent(signal.SIGTERM, starter)
        code = run(command, folder)
        code = fail_on_leftovers(code)
    except Interrupted:
        pass
    finally:
        ignore_signals()
        kill_all()
        shutil.rmtree(folder, ignore_errors=True)
    return code


def run(command: list[str], folder: str) -> int:
    me = os.getpid()
    process = subprocess.Popen(
        command,
        env={**os.environ, VARIABLE: str(me), "TMPDIR": folder},
        preexec_fn=lambda: die_with_parent(signal.SIGKILL, me),
    )
    # The command cleans up after Ctrl+C by itself.
    signal.signal(signal.SIGINT, lambda received, _: process.send_signal(received))
    while True:
        pid, status = os.waitpid(-1, 0)  # adopted ones too
        if pid == process.pid:
            process.returncode = exit_code(status)
            return process.returncode


def ignore_signals() -> None:
    for number in FORWARDED:
        signal.signal(number, signal.SIG_IGN)


def die_with_parent(number: int, parent: int) -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it was faster
        os.kill(os.getpid(), number)


def exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def children() -> list[psutil.Process]:
    """Everything below this process that lives."""
    reap()
    found = psutil.Process().children(recursive=True)
    return [process for process in found if is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def fail_on_leftovers(code: int) -> int:
    was_killed = code >= 128
    deadline = time.monotonic() + (0 if was_killed else GRACE_S)
    while (left := children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        sys.stderr.write(f"FAILED left running: {describe(process)}\n")
    return code or int(bool(left))


def describe(process: psutil.Process) -> str:
    try:
        command = " ".join(process.cmdline()) or process.name()
        test = process.environ().get("PYTEST_CURRENT_TEST", "")
    except psutil.Error:
        return f"{process.pid}"
    return f"{process.pid} {command}" + (f" (started in {test})" if test else "")


def kill_all() -> None:
    """Again and again: what forks meanwhile is found in the next round."""
    deadline = time.monotonic() + KILL_S
    while (left := children()) and time.monotonic() < deadline:
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
