"""Keep what the driver tells of faulty GPUs, and that it tells nothing at all."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from common import clock
from models_app.activity import record
from models_app.models import Activity
from runtimes.machine.maintenance import mark_unhealthy
from runtimes.machine.nvml import Nvml
from runtimes.machine.xids import GpuEvent
from runtimes.models import Gpu

UNREADABLE, READABLE = "gpus_unreadable", "gpus_readable"
# A driver that is busy for a moment is no news.
PATIENCE_S = 10


class GpuHealth:
    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self.patience_s = patience_s
        self.blind_since: float | None = None
        self.told_blind: bool | None = None  # None: not looked up yet

    def step(self, nvml: Nvml) -> None:
        """Events that cannot be written are kept for the next step."""
        _write(list(nvml.events))
        nvml.events.clear()
        self._tell(nvml.trouble)

    def _tell(self, trouble: str) -> None:
        now = clock.uptime()
        if not trouble:
            self.blind_since = None
        elif self.blind_since is None:
            self.blind_since = now
        if self.told_blind is None:
            self.told_blind = _newest_code() == UNREADABLE
        long_enough = not trouble or now - (self.blind_since or now) >= self.patience_s
        if bool(trouble) != self.told_blind and long_enough:
            self._report(trouble)

    def _report(self, trouble: str) -> None:
        """On a machine that had no GPUs, there is none to miss."""
        if trouble and not _has_gpus():
            return
        detail = {"detail": trouble.rstrip(".")} if trouble else {}
        record(
            UNREADABLE if trouble else READABLE,
            params={"node": settings.NODE_NAME, **detail},
        )
        self.told_blind = bool(trouble)


def _write(events: list[GpuEvent]) -> None:
    faults = {event.uuid: event for event in events if event.fault}
    if not faults:
        return
    gpus = Gpu.objects.select_related("node").in_bulk(faults, field_name="uuid")
    with transaction.atomic():
        for event in events:
            if event.fault and event.uuid in gpus:
                mark_unhealthy(gpus[event.uuid], event.fault, {"xid": event.xid})


def _newest_code() -> str:
    told = Activity.objects.filter(
        code__in=(UNREADABLE, READABLE), params__node=settings.NODE_NAME
    )
    return told.newest().values_list("code", flat=True).first() or ""


def _has_gpus() -> bool:
    here = Gpu.objects.filter(node__name=settings.NODE_NAME, present=True)
    return here.exists()
