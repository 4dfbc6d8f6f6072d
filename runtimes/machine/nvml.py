"""NVIDIA GPUs, read through NVML with one long-lived handle."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pynvml

from runtimes.machine.gpu_fields import LOST, Device, measure
from runtimes.machine.xids import GpuEvent, Xids

logger = logging.getLogger(__name__)

MOST_EVENTS_KEPT = 1000
# Of the whole of NVML, where numbers from 0 on are those of GPUs
NVML = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSeen:
    """Memory in MiB, power in watts, clocks in MHz, temperature in degrees Celsius, the
    rest in percent. None where the driver does not tell. processes: MiB by process id
    of the machine. health_events: XIDs since the last reading. lost: it was there, and
    the driver no longer reaches it."""

    uuid: str
    index: int
    name: str
    memory_total: int | None = None
    memory_used: int | None = None
    memory_free: int | None = None
    utilization: int | None = None
    memory_utilization: int | None = None
    temperature: int | None = None
    power: float | None = None
    power_limit: float | None = None
    clock_sm: int | None = None
    clock_memory: int | None = None
    processes: Mapping[int, int | None] | None = None
    health_events: int = 0
    lost: bool = False


class Nvml:
    """No library, no driver or no device: no GPUs, said once, tried again each time
    (a driver may come back).

    trouble: why read() answered None, empty if it did not. events: XIDs read and not
    yet taken care of; whoever does clears them."""

    def __init__(self) -> None:
        self.ready = False
        self.trouble = ""
        self.events: deque[GpuEvent] = deque(maxlen=MOST_EVENTS_KEPT)
        self.xids = Xids()
        self.known: dict[int, GpuSeen] = {}
        self.said: dict[int, str] = {}

    def read(self) -> list[GpuSeen] | None:
        """None: not known, NVML is there and does not answer. What was seen before
        still holds then: nothing is stopped because its watcher is blind."""
        self.trouble = ""
        try:
            self._begin()
            devices = range(pynvml.nvmlDeviceGetCount())
            told = self._drain()
            found = [seen for n in devices if (seen := self._device(n, told))]
            self.said.pop(NVML, None)
            return found
        except pynvml.NVMLError_LibraryNotFound as error:
            self._failed(error)
            return []
        except pynvml.NVMLError as error:
            self._failed(error)
            self.trouble = str(error)
            return None

    def close(self) -> None:
        if self.ready:
            self.ready = False
            self.xids.forget()
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _begin(self) -> None:
        if not self.ready:
            pynvml.nvmlInit()
            self.ready = True

    def _drain(self) -> Counter[str]:
        told = list(self.xids.drain())
        for event in told:
            logger.info("GPU %s: XID %s", event.uuid, event.xid)
        self.events.extend(told)
        return Counter(event.uuid for event in told)

    def _device(self, index: int, told: Counter[str]) -> GpuSeen | None:
        """None for one that was never reached: the others are still there."""
        try:
            seen = self._read(index)
        except pynvml.NVMLError as error:
            self._say(index, f"GPU {index}: {error}")
            known = self.known.get(index)
            return known and replace(
                _as_silent(known, lost=error.value in LOST),
                health_events=told[known.uuid],
            )
        self.said.pop(index, None)
        self.known[index] = seen
        return replace(seen, health_events=told[seen.uuid])

    def _read(self, index: int) -> GpuSeen:
        device: Device = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid = pynvml.nvmlDeviceGetUUID(device)
        name = pynvml.nvmlDeviceGetName(device)
        self.xids.watch(device, uuid)
        return GpuSeen(uuid=uuid, index=index, name=name, **measure(device))

    def _failed(self, error: Exception) -> None:
        self._say(NVML, f"NVML: {error}")
        self.close()

    def _say(self, about: int, text: str) -> None:
        """Once, until it is over."""
        if self.said.get(about) != text:
            logger.info("%s", text)
            self.said[about] = text


def _as_silent(known: GpuSeen, lost: bool) -> GpuSeen:
    """Of what it measured, nothing holds any longer."""
    return GpuSeen(
        uuid=known.uuid,
        index=known.index,
        name=known.name,
        memory_total=known.memory_total,
        lost=lost,
    )
