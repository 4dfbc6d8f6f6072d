"""Processes as Linux shows them under /proc. Any of them may end at any moment; a file
that is gone is an answer, not an error."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from runtimes.proc import PARENT, started_at, stat_fields

PROC = Path("/proc")
# Fields of /proc/PID/stat, in ticks
UTIME, STIME = 14, 15
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
LISTEN = "0A"
RESIDENT = re.compile(r"^Rss(Anon|File|Shmem):\s+(\d+) kB$", re.MULTILINE)


def send(pid: int, started: int, number: signal.Signals) -> bool:
    """False if that very process is gone. The descriptor is taken before the start
    time is compared, so the signal cannot reach a later process with this pid."""
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if started_at(pid) != started:
            return False
        signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(process)
    return True


def own_pids(*users: int) -> Iterator[int]:
    """Processes of this system user, and of those users."""
    owners = {os.geteuid(), *users}
    with os.scandir(PROC) as entries:
        for entry in entries:
            if entry.name.isdigit() and _owner(entry) in owners:
                yield int(entry.name)


def _owner(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat().st_uid
    except OSError:
        return None


def lineage(pid: int) -> Iterator[int]:
    """The process, the leader of its session and its ancestors: some programs write
    their title over their environment, or start others without any."""
    yield pid
    with suppress(OSError):
        yield os.getsid(pid)
    while (pid := int(stat_fields(pid).get(PARENT, 0))) > 1:
        yield pid


def environment(pid: int) -> dict[bytes, bytes]:
    """As it was when the process was started; empty for zombies, and for an instant in
    the middle of an exec."""
    try:
        text = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in text.split(b"\0"))
    return {name: value for name, _, value in pairs}


def cpu_seconds(pid: int) -> float:
    fields = stat_fields(pid)
    return (int(fields.get(UTIME, 0)) + int(fields.get(STIME, 0))) / TICKS_A_SECOND


def memory_kib(pids: Iterable[int]) -> int:
    """Memory of the processes of one program. Files mapped by several of them, such as
    libraries and models, count once, assuming that they are the same."""
    private, mapped = 0, 0
    for pid in pids:
        resident = dict(RESIDENT.findall(_text(PROC / str(pid) / "status")))
        private += int(resident.get("Anon", 0))
        mapped = max(
            mapped, int(resident.get("File", 0)) + int(resident.get("Shmem", 0))
        )
    return private + mapped


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def ports_in_use() -> set[int]:
    """Ports that any process listens on, at any address of the machine."""
    rows = (
        line.split()
        for family in ("tcp", "tcp6")
        for line in _lines(PROC / "net" / family)[1:]
    )
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTEN}


def _lines(path: Path) -> list[str]:
    """Empty for a protocol that the machine does not have."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
