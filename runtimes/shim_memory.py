"""Memory of an engine, as its shim looks after it."""

from __future__ import annotations

import time

from runtimes.proc import descendants, text_of

# How often memory is measured, and how often new processes are looked for
MEASURE_MS = 250
FIND_S = 5.0
CGROUPS = "/sys/fs/cgroup"
# Kills by the kernel that are older were not of the engine that ends now.
OOM_MEMORY_MS = 60_000


class MemoryLimit:
    """Of an engine and whatever it has started. Counts what the kernel cannot take
    back: pages of files, such as a mapped model, do not count."""

    def __init__(self, shim: int, mib: int) -> None:
        self.shim = shim
        self.mib = mib
        self.period_ms = MEASURE_MS if mib else OOM_MEMORY_MS
        self.over_mib = 0
        self.pids = self.find()
        self.measured_at = self.found_at = time.monotonic()

    def is_exceeded(self) -> bool:
        now = time.monotonic()
        if not self.mib or now - self.measured_at < MEASURE_MS / 1000:
            return False
        self.measured_at = now
        if now - self.found_at >= FIND_S:
            self.found_at = now
            self.pids = self.find()
        if unreclaimable_kib(self.pids) // 1024 > self.mib:
            # One of the ids may be another process's by now.
            self.pids = self.find()
            used = unreclaimable_kib(self.pids) // 1024
            self.over_mib = used if used > self.mib else 0
        return self.over_mib > 0

    def find(self) -> list[int]:
        """Processes that have left the engine belong to the shim."""
        return descendants(self.shim)[1:]


def unreclaimable_kib(pids: list[int]) -> int:
    """Shared memory counts once, assuming that it is the same."""
    private, shared = 0, 0
    for pid in pids:
        sizes = {}
        for line in text_of(f"/proc/{pid}/status").splitlines():
            name, _, value = line.partition(":")
            if name in ("RssAnon", "RssShmem", "VmSwap"):
                sizes[name] = int(value.split()[0])
        private += sizes.get("RssAnon", 0) + sizes.get("VmSwap", 0)
        shared = max(shared, sizes.get("RssShmem", 0))
    return private + shared


class OomKills:
    """Kills for memory in the control group of a process, whichever they hit."""

    def __init__(self, pid: int) -> None:
        self.counter = oom_counter(pid)
        self.before = self.last = oom_kills(self.counter)
        self.counted_at = time.monotonic()

    def count(self) -> None:
        """Two counts are kept: a large process may die right after the newer one."""
        if time.monotonic() - self.counted_at >= OOM_MEMORY_MS / 1000:
            self.before, self.last = self.last, oom_kills(self.counter)
            self.counted_at = time.monotonic()

    @property
    def any(self) -> bool:
        return oom_kills(self.counter) > self.before


def oom_counter(pid: int) -> str:
    """The file where its group's are counted, else the whole machine's."""
    for line in text_of(f"/proc/{pid}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        counter = f"{CGROUPS}{path}/memory.events.local"
        if "memory" in controllers.split(","):
            counter = f"{CGROUPS}/memory{path}/memory.oom_control"
        if text_of(counter):
            return counter
    return "/proc/vmstat"


def oom_kills(counter: str) -> int:
    """0 where the kernel does not count them."""
    _, _, count = f"\n{text_of(counter)}".partition("\noom_kill ")
    return int(count.split()[0]) if count else 0
