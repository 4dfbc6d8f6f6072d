"""Mounts that no longer respond, such as those of a lost NFS server.

Whatever touches such a mount blocks and often cannot be killed. So a process of its own
touches each mount first. While it blocks, paths there are left alone and no other such
process is started.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import monotonic

MOUNTS = Path("/proc/self/mountinfo")
ESCAPE = re.compile(rb"\\([0-7]{3})")
# statvfs: NFS answers stat from its cache.
TOUCH = "import os, sys; os.stat(sys.argv[1]); os.statvfs(sys.argv[1])"
# For so long a list of mounts, and the response of one, are valid.
LIST_VALID_S, RESPONSE_VALID_S = 1, 5
MAX_LINKS = 40  # as in the kernel
MAX_PATH_CHARS = 4096
Mount = tuple[str, int]  # where it is, and its id: another may be mounted there later


@dataclass(slots=True)
class Probe:
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=monotonic)

    def is_valid(self) -> bool:
        is_recent = monotonic() - self.started_at < RESPONSE_VALID_S
        return is_recent or self.is_blocked()

    def is_blocked(self) -> bool:
        return self.process.poll() is None

    def has_ended(self, seconds: float) -> bool:
        """Waits until so many seconds after it was started."""
        left = self.started_at + seconds - monotonic()
        try:
            self.process.wait(max(0, left))
        except subprocess.TimeoutExpired:
            return False
        return True


class Mounts:
    """seconds: how long a mount may take to respond."""

    def __init__(self, seconds: float = 5) -> None:
        self.seconds = seconds
        self._ids: dict[str, int] = {}
        self._listed_at = -float("inf")
        self._probes: dict[Mount, Probe] = {}
        self._lock = Lock()

    def hung(self, given: str | Path) -> str:
        """The mount that does not respond among those that a path leads through, also
        by links; "": the path can be opened. The root file system counts as good."""
        path = str(Path.cwd() / given)[:MAX_PATH_CHARS]
        ahead, here, links = path.split("/")[::-1], Path("/"), 0
        while ahead:
            name = ahead.pop()
            here = here.parent if name == ".." else here / name
            if not self._responds(str(here)):
                return str(here)
            if links < MAX_LINKS and (target := _target(here)):
                links += 1
                here = Path("/") if target.startswith("/") else here.parent
                ahead += target.split("/")[::-1]
        return ""

    def _responds(self, path: str) -> bool:
        with self._lock:
            self._list()
            mount = (path, self._ids.get(path, 0))
            if path == "/" or not mount[1]:
                return True
            probe = self._probes.get(mount)
            if probe is None or not probe.is_valid():
                probe = self._probes[mount] = Probe(_touch(path))
        return probe.has_ended(self.seconds)

    def _list(self) -> None:
        if monotonic() - self._listed_at < LIST_VALID_S:
            return
        self._listed_at = monotonic()
        self._ids = _mounts()
        ids, probes = self._ids.items(), self._probes.items()
        self._probes = {m: p for m, p in probes if m in ids or p.is_blocked()}


mounts = Mounts()


def _mounts() -> dict[str, int]:
    """Ids by path. The last one that is mounted at a path hides the others."""
    try:
        rows = [line.split() for line in MOUNTS.read_bytes().splitlines()]
    except OSError:
        return {}
    return {os.fsdecode(ESCAPE.sub(_byte, row[4])): int(row[0]) for row in rows}


def _byte(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 8)])


def _touch(path: str) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", TOUCH, path],
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
        cwd="/",
    )


def _target(path: Path) -> str:
    """Of a link; empty otherwise."""
    try:
        return str(path.readlink())
    except (OSError, ValueError):
        return ""
