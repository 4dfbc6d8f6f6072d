"""Linux's table of processes, for programs that load few modules."""
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os

STATE, PARENT, START_TIME = 3, 4, 22  # fields of /proc/PID/stat


def text_of(path: str) -> str:
    """Empty if it cannot be read."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def stat_fields(pid: int) -> dict[int, bytes]:
    """Of /proc/PID/stat, numbered as in its manual; empty if there is no such process
    or it may not be looked at."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            after_name = file.read().rpartition(b")")[2].split()
    except OSError:
        return {}
    return dict(enumerate(after_name, start=STATE))


def started_at(pid: int) -> int | None:
    """Clock ticks since boot; None for the dead, zombies too."""
    fields = stat_fields(pid)
    return int(fields[START_TIME]) if fields.get(STATE, b"X") not in b"XZ" else None


def boot_id() -> str:
    return text_of("/proc/sys/kernel/random/boot_id").strip()


def children() -> list[int]:
    me = os.getpid()
    return [pid for pid, parent in parents().items() if parent == me]


def descendants(root: int) -> list[int]:
    """With the root, which comes first."""
    found = [root]
    by_pid = parents()
    for parent in found:
        found += [pid for pid in by_pid if by_pid[pid] == parent]
    return found


def parents() -> dict[int, int]:
    # Not every kernel has /proc/PID/task/TID/children.
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return {pid: int(stat_fields(pid).get(PARENT, 0)) for pid in pids}
