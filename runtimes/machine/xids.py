"""NVIDIA XIDs: error codes that the driver reports for a GPU.

The classes follow two lists: NVIDIA's XID catalogue, and the XIDs that its Kubernetes
device plugin attributes to the application. Where they disagree (109), the GPU stays in
use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ctypes import c_void_p, cast
from dataclasses import dataclass

import pynvml

from runtimes.machine.gpu_fields import Device

# A faulty GPU may report thousands; the rest is read the next time.
MAX_AT_ONCE = 100

NEEDS_RESET = frozenset({46, 62, 64, 95, 110, 119, 120, 140, 143})
NEEDS_REBOOT = frozenset({79})
# The application's fault, or nothing to be done. Others are logged as well, and change
# nothing: an engine that suffers from one ends by itself.
IGNORED = frozenset({8, 13, 31, 43, 45, 63, 68, 92, 94, 109, 121})


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuEvent:
    uuid: str
    xid: int

    @property
    def fault(self) -> str:
        """Code of the reason why the GPU is unhealthy from now on; empty: it is not."""
        if self.xid in NEEDS_REBOOT:
            return "gpu_needs_reboot"
        return "gpu_needs_reset" if self.xid in NEEDS_RESET else ""


class Xids:
    """The driver's queue of XIDs, from the first watch of a GPU on. Some GPUs do not
    support them."""

    def __init__(self) -> None:
        self.queue: object | None = None
        self.uuids: dict[int | None, str] = {}

    def watch(self, device: Device, uuid: str) -> None:
        address = _address(device)
        new = address not in self.uuids
        self.uuids[address] = uuid
        if not new:
            return
        try:
            supported = pynvml.nvmlDeviceGetSupportedEventTypes(device)
            if supported & pynvml.nvmlEventTypeXidCriticalError:
                self._register(device)
        except pynvml.NVMLError:
            return

    def _register(self, device: Device) -> None:
        if self.queue is None:
            self.queue = pynvml.nvmlEventSetCreate()
        pynvml.nvmlDeviceRegisterEvents(
            device, pynvml.nvmlEventTypeXidCriticalError, self.queue
        )

    def drain(self) -> Iterator[GpuEvent]:
        """Does not wait for new ones."""
        for _ in range(MAX_AT_ONCE if self.queue else 0):
            try:
                event = pynvml.nvmlEventSetWait_v2(self.queue, 0)
            except pynvml.NVMLError:  # a time-out when there are no more
                return
            # A GPU that fell off the bus no longer reports its UUID, hence the
            # addresses.
            if uuid := self.uuids.get(_address(event.device)):
                yield GpuEvent(uuid=uuid, xid=event.eventData)

    def reset(self) -> None:
        """The handles of this session are no longer valid."""
        if self.queue is not None:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlEventSetFree(self.queue)
            self.queue = None
        self.uuids.clear()


def _address(device: Device) -> int | None:
    return cast(device, c_void_p).value
