"""The machine itself: processors, memory, disks, network."""

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

# What the kernel or the container does not offer is left out.
NOT_OFFERED = (OSError, RuntimeError, AttributeError, psutil.Error)
DISKS, NETWORKS = Path("/sys/block"), Path("/sys/class/net")
# Each of their bytes is counted again by what they are made of.
MADE_OF_OTHERS = ("lo", "ram", "zram", "dm-", "md", "docker", "br-", "veth", "virbr")

# Readings that a file system may leave without an answer
STALE_AFTER = 10


class Host:
    """read() once a second. Utilization and increments are since the last call: none of
    them at the first."""

    def __init__(self, data_dir: Path, model_roots: Sequence[Path]) -> None:
        self.increments = Increments()
        self.data_space = Space([data_dir])
        self.models_space = Space(model_roots)
        self.utilization_known = False

    def read(self) -> Sample:
        sample: Sample = {}
        for part in (self._processors, _memory, self._disks, self._networks):
            with contextlib.suppress(*NOT_OFFERED):
                sample |= part()
        sample |= self.data_space.read("disk_data")
        return sample | self.models_space.read("disk_models")

    def close(self) -> None:
        self.data_space.close()
        self.models_space.close()

    def _processors(self) -> Sample:
        cores = psutil.cpu_percent(percpu=True)
        known, self.utilization_known = self.utilization_known, True
        sample: Sample = {"load_1m": os.getloadavg()[0]}
        if known and cores:
            sample["cpu_utilization"] = sum(cores) / len(cores)
            sample["cpu_core_utilization_max"] = max(cores)
        return sample

    def _disks(self) -> Sample:
        disks = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        real = real_devices(disks, DISKS)
        return {
            "disk_read_bytes": self._grown(
                {("read", name): disks[name].read_bytes for name in real}
            ),
            "disk_written_bytes": self._grown(
                {("written", name): disks[name].write_bytes for name in real}
            ),
        }

    def _networks(self) -> Sample:
        networks = psutil.net_io_counters(pernic=True, nowrap=False) or {}
        real = real_devices(networks, NETWORKS)
        return {
            "network_received_bytes": self._grown(
                {("received", name): networks[name].bytes_recv for name in real}
            ),
            "network_sent_bytes": self._grown(
                {("sent", name): networks[name].bytes_sent for name in real}
            ),
        }

    def _grown(self, counters: Mapping[tuple[str, str], int]) -> float | None:
        """Of each device for itself: one that is pulled out takes its sum with it."""
        grown = [self.increments.of(key, raw) for key, raw in counters.items()]
        known = [increment for increment in grown if increment is not None]
        return sum(known) if known else None


def real_devices(names: Iterable[str], folder: Path) -> list[str]:
    """Those with hardware, or a virtual machine's, behind them; in containers, where no
    network has any, those that are not made of others."""
    names = list(names)
    real = [name for name in names if (folder / name / "device").exists()]
    return real or [name for name in names if not name.startswith(MADE_OF_OTHERS)]


def _memory() -> Sample:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "memory_used": memory.used // MIB,
        "memory_total": memory.total // MIB,
        "memory_available": memory.available // MIB,
        "swap_used": swap.used // MIB,
        "swap_total": swap.total // MIB,
    }


class Space:
    """Of the first of some folders that exists. Asked for in a thread: a network file
    system that is away answers never, and its space is then not known."""

    def __init__(
        self,
        folders: Sequence[Path],
        usage: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage,
    ) -> None:
        self.folders = folders
        self.usage = usage
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="disk-space")
        self.asked: Future[tuple[int, int, int] | None] | None = None
        self.known: tuple[int, int, int] | None = None
        self.missed = 0

    def read(self, prefix: str) -> Sample:
        """What was found at the last call."""
        if self.asked is None:
            self.asked = self.thread.submit(self._look)
        elif self.asked.done():
            self.known, self.missed = self.asked.result(), 0
            self.asked = self.thread.submit(self._look)
        else:
            self.missed += 1
        if self.known is None or self.missed > STALE_AFTER:
            return {}
        total, used, free = self.known
        values = {"total": total, "used": used, "free": free}
        return {f"{prefix}_{name}": value // MIB for name, value in values.items()}

    def close(self) -> None:
        self.thread.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> tuple[int, int, int] | None:
        for folder in self.folders:
            with contextlib.suppress(OSError):
                return self.usage(folder)
        return None
