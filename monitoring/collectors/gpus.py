"""NVIDIA GPUs, read through NVML with one long-lived handle."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, replace

import pynvml

logger = logging.getLogger(__name__)

MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSeen:
    """free_mib: None where the driver does not tell. lost: it was there, and the driver
    no longer reaches it."""

    uuid: str
    index: int
    name: str
    memory_mib: int
    free_mib: int | None
    lost: bool = False


# nvmlReturn_t: NVIDIA, NVML API reference, "Return codes"
LOST = frozenset(
    {pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED}
    | {pynvml.NVML_ERROR_UNKNOWN}
)


class Nvml:
    """No library, no driver or no device: no GPUs, said once, tried again each time
    (a driver may come back)."""

    def __init__(self) -> None:
        self.ready = False
        self.last_error = ""
        self.known: dict[int, GpuSeen] = {}

    def read(self) -> list[GpuSeen] | None:
        """None: not known, NVML is there and does not answer. What was seen before
        still holds then: nothing is stopped because its watcher is blind."""
        try:
            self._begin()
            return [
                seen
                for index in range(pynvml.nvmlDeviceGetCount())
                if (seen := self._device(index))
            ]
        except pynvml.NVMLError_LibraryNotFound as error:
            self._failed(error)
            return []
        except pynvml.NVMLError as error:
            self._failed(error)
            return None

    def _begin(self) -> None:
        if not self.ready:
            pynvml.nvmlInit()
            self.ready, self.last_error = True, ""

    def _device(self, index: int) -> GpuSeen | None:
        """None for one that was never reached: the others are still there."""
        try:
            device = pynvml.nvmlDeviceGetHandleByIndex(index)
            uuid, name = (
                pynvml.nvmlDeviceGetUUID(device),
                pynvml.nvmlDeviceGetName(device),
            )
            memory = pynvml.nvmlDeviceGetMemoryInfo(device)
        except pynvml.NVMLError as error:
            self._say(f"GPU {index}: {error}")
            known = self.known.get(index)
            return _lost(known) if known and error.value in LOST else known
        self.known[index] = GpuSeen(
            uuid=uuid,
            index=index,
            name=name,
            memory_mib=memory.total // MIB,
            free_mib=memory.free // MIB,
        )
        return self.known[index]

    def _failed(self, error: Exception) -> None:
        self._say(f"NVML: {error}")
        if self.ready:
            self.ready = False
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _say(self, text: str) -> None:
        if text != self.last_error:
            logger.info("%s", text)
            self.last_error = text


def _lost(known: GpuSeen) -> GpuSeen:
    return replace(known, free_mib=None, lost=True)
