"""Collect metrics of the host: CPU, memory, disks, network."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil

from monitoring.collectors.counters import Increments

MIB = 2**20
Sample = dict[str, float | None]

# Raised for values that the kernel or the container does not provide.
UNAVAILABLE = (OSError, RuntimeError, AttributeError, psutil.Error)
DISKS, NETWORKS = Path("/sys/block"), Path("/sys/class/net")
# Virtual devices: their bytes are counted again by the devices below them.
VIRTUAL_PREFIXES = ("lo", "ram", "zram", "dm-", "md", "docker", "br-", "veth", "virbr")

# Readings for which a hanging file system keeps its last known space
STALE_AFTER = 10


class HostCollector:
    """Call read() once a second. Utilization and increments refer to the time since the
    last call, so the first call returns none."""

    def __init__(self, data_dir: Path, model_roots: Sequence[Path]) -> None:
        self.increments = Increments()
        self.data_space = DiskSpace([data_dir])
        self.models_space = DiskSpace(model_roots)
        self.has_previous_reading = False

    def read(self) -> Sample:
        sample: Sample = {}
        for part in (self._cpu, _memory, self._disks, self._networks):
            with contextlib.suppress(*UNAVAILABLE):
                sample |= part()
        sample |= self.data_space.read("disk_data")
        return sample | self.models_space.read("disk_models")

    def close(self) -> None:
        self.data_space.close()
        self.models_space.close()

    def _cpu(self) -> Sample:
        cores = psutil.cpu_percent(percpu=True)
        has_previous, self.has_previous_reading = self.has_previous_reading, True
        sample: Sample = {"load_1m": os.getloadavg()[0]}
        if has_previous and cores:
            sample["cpu_utilization"] = sum(cores) / len(cores)
            sample["cpu_core_utilization_max"] = max(cores)
        return sample

    def _disks(self) -> Sample:
        disks = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        real = real_devices(disks, DISKS)
        return {
            "disk_read_bytes": self._increment(
                {("read", name): disks[name].read_bytes for name in real}
            ),
            "disk_written_bytes": self._increment(
                {("written", name): disks[name].write_bytes for name in real}
            ),
        }

    def _networks(self) -> Sample:
        networks = psutil.net_io_counters(pernic=True, nowrap=False) or {}
        real = real_devices(networks, NETWORKS)
        return {
            "network_received_bytes": self._increment(
                {("received", name): networks[name].bytes_recv for name in real}
            ),
            "network_sent_bytes": self._increment(
                {("sent", name): networks[name].bytes_sent for name in real}
            ),
        }

    def _increment(self, counters: Mapping[tuple[str, str], int]) -> float | None:
        """Per device, because a sum of totals would drop when a device is removed."""
        since_last = self.increments.since_last
        increments = [since_last(key, value) for key, value in counters.items()]
        known = [increment for increment in increments if increment is not None]
        return sum(known) if known else None


def real_devices(names: Iterable[str], folder: Path) -> list[str]:
    """Devices backed by physical or emulated hardware. In a container, where no network
    interface is, those without a virtual prefix."""
    names = list(names)
    real = [name for name in names if (folder / name / "device").exists()]
    return real or [name for name in names if not name.startswith(VIRTUAL_PREFIXES)]


def _memory() -> Sample:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "memory_used": memory.used // MIB,
        "memory_total": memory.total // MIB,
        "memory_available": memory.available // MIB,
        "swap_used": swap.used // MIB,
        "swap_total": swap.total // MIB,
    }


class DiskSpace:
    """Space on the disk of the first folder that exists. Read in a thread, because a
    lost network file system blocks forever; its space is then unknown."""

    def __init__(
        self,
        folders: Sequence[Path],
        usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage,
    ) -> None:
        self.folders = folders
        self.usage = usage
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="disk-space")
        self.pending: Future[tuple[int, int, int] | None] | None = None
        self.known: tuple[int, int, int] | None = None
        self.unanswered = 0

    def read(self, prefix: str) -> Sample:
        """The result of the read that the previous call started."""
        if self.pending is None:
            self.pending = self.thread.submit(self._read_usage)
        elif self.pending.done():
            self.known, self.unanswered = self.pending.result(), 0
            self.pending = self.thread.submit(self._read_usage)
        else:
            self.unanswered += 1
        if self.known is None or self.unanswered > STALE_AFTER:
            return {}
        total, used, free = self.known
        values = {"total": total, "used": used, "free": free}
        return {f"{prefix}_{name}": value // MIB for name, value in values.items()}

    def close(self) -> None:
        self.thread.shutdown(wait=False, cancel_futures=True)

    def _read_usage(self) -> tuple[int, int, int] | None:
        for folder in self.folders:
            with contextlib.suppress(OSError):
                return self.usage(folder)
        return None
