"""Records faults of GPUs that the driver reports, and a driver that reports nothing."""

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
# A driver may be busy for a moment.
PATIENCE_S = 10


class GpuHealth:
    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self.patience_s = patience_s
        self.blind_since: float | None = None
        self.is_recorded_blind: bool | None = None  # None: not looked up yet

    def step(self, nvml: Nvml) -> None:
        """Events that cannot be written stay in the queue for the next step."""
        _write(list(nvml.events))
        nvml.events.clear()
        self._update(nvml.error)

    def _update(self, error: str) -> None:
        now = clock.uptime()
        if not error:
            self.blind_since = None
        elif self.blind_since is None:
            self.blind_since = now
        if self.is_recorded_blind is None:
            self.is_recorded_blind = _newest_code() == UNREADABLE
        long_enough = not error or now - (self.blind_since or now) >= self.patience_s
        if bool(error) != self.is_recorded_blind and long_enough:
            self._record(error)

    def _record(self, error: str) -> None:
        """A machine that has never had GPUs misses none."""
        if error and not _has_gpus():
            return
        detail = {"detail": error.rstrip(".")} if error else {}
        record(
            UNREADABLE if error else READABLE,
            params={"node": settings.NODE_NAME, **detail},
        )
        self.is_recorded_blind = bool(error)


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
    events = Activity.objects.filter(
        code__in=(UNREADABLE, READABLE), params__node=settings.NODE_NAME
    )
    return events.newest().values_list("code", flat=True).first() or ""


def _has_gpus() -> bool:
    here = Gpu.objects.filter(node__name=settings.NODE_NAME, present=True)
    return here.exists()
