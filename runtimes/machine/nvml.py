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

MAX_EVENTS = 1000
# Key of errors of NVML itself; numbers from 0 on are those of GPUs
NVML = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSeen:
    """Memory in MiB, power in watts, clocks in MHz, temperature in degrees Celsius, the
    rest in percent. None: not reported. processes: MiB by process id of the machine.
    health_events: XIDs since the last reading. lost: it was present, and the driver no
    longer reaches it."""

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
    """Without library, driver or device there are no GPUs. That is logged once and
    tried again at each reading, since a driver may come back.

    error: why read() returned None, else empty. events: XIDs that were read and not yet
    handled; the handler clears them."""

    def __init__(self) -> None:
        self.ready = False
        self.error = ""
        self.events: deque[GpuEvent] = deque(maxlen=MAX_EVENTS)
        self.xids = Xids()
        self.known: dict[int, GpuSeen] = {}
        self.logged: dict[int, str] = {}

    def read(self) -> list[GpuSeen] | None:
        """None: unknown, since NVML fails. The last reading then stays valid, so that
        no engine is stopped for a failure of monitoring."""
        self.error = ""
        try:
            self._begin()
            devices = range(pynvml.nvmlDeviceGetCount())
            events = self._drain()
            found = [seen for n in devices if (seen := self._device(n, events))]
            self.logged.pop(NVML, None)
            return found
        except pynvml.NVMLError_LibraryNotFound as error:
            self._failed(error)
            return []
        except pynvml.NVMLError as error:
            self._failed(error)
            self.error = str(error)
            return None

    def close(self) -> None:
        if self.ready:
            self.ready = False
            self.xids.reset()
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _begin(self) -> None:
        if not self.ready:
            pynvml.nvmlInit()
            self.ready = True

    def _drain(self) -> Counter[str]:
        events = list(self.xids.drain())
        for event in events:
            logger.info("GPU %s: XID %s", event.uuid, event.xid)
        self.events.extend(events)
        return Counter(event.uuid for event in events)

    def _device(self, index: int, events: Counter[str]) -> GpuSeen | None:
        """None for a GPU that was never reached; the others still count."""
        try:
            seen = self._read(index)
        except pynvml.NVMLError as error:
            self._log(index, f"GPU {index}: {error}")
            known = self.known.get(index)
            return known and replace(
                _without_values(known, lost=error.value in LOST),
                health_events=events[known.uuid],
            )
        self.logged.pop(index, None)
        self.known[index] = seen
        return replace(seen, health_events=events[seen.uuid])

    def _read(self, index: int) -> GpuSeen:
        device: Device = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid = pynvml.nvmlDeviceGetUUID(device)
        name = pynvml.nvmlDeviceGetName(device)
        self.xids.watch(device, uuid)
        return GpuSeen(uuid=uuid, index=index, name=name, **measure(device))

    def _failed(self, error: Exception) -> None:
        self._log(NVML, f"NVML: {error}")
        self.close()

    def _log(self, about: int, text: str) -> None:
        """Logs each change once."""
        if self.logged.get(about) != text:
            logger.info("%s", text)
            self.logged[about] = text


def _without_values(known: GpuSeen, lost: bool) -> GpuSeen:
    return GpuSeen(
        uuid=known.uuid,
        index=known.index,
        name=known.name,
        memory_total=known.memory_total,
        lost=lost,
    )
