"""GPU memory that each run holds, as the driver measures it for its processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.conf import settings

from models_app.models import Run
from runtimes.machine.nvml import GpuSeen
from runtimes.proc import started_at
from runtimes.registry import drivers

# MiB by run uid, None where the size is not reported; None instead: nothing is known
Holders = Mapping[str, int | None] | None


def write(gpus: Collection[GpuSeen]) -> None:
    """Writes rows that have changed, in two queries at most. Belongs into one
    transaction with the free memory of GPUs, which the planner compares with it."""
    live = Run.objects.live().filter(node=settings.NODE_NAME)
    runs = list(live.only("uid", "ready_at", "gpu_uuids", "gpu_used"))
    holders = {gpu.uuid: _holders(gpu) for gpu in gpus} if runs else {}
    changed = []
    for run in runs:
        used = _used(run, holders)
        if used != run.gpu_used:
            run.gpu_used = used
            changed.append(run)
    Run.objects.bulk_update(changed, ["gpu_used"])


def _holders(gpu: GpuSeen) -> Holders:
    """None if the driver lists a process that is not visible here, since it numbers
    processes of another namespace then."""
    if gpu.lost or gpu.processes is None:
        return None
    if any(started_at(pid) is None for pid in gpu.processes):
        return None
    holders: dict[str, int | None] = {}
    for pid, mib in gpu.processes.items():
        if uid := _run_of(pid):
            before = holders.get(uid, 0)
            holders[uid] = None if mib is None or before is None else before + mib
    return holders


def _run_of(pid: int) -> str:
    return next(filter(None, (driver.run_of(pid) for driver in drivers())), "")


def _used(run: Run, holders: Mapping[str, Holders]) -> dict[str, int] | None:
    """None unless all is known. The driver does not list an engine that serves from a
    GPU and seems to hold no memory on any."""
    booked = {uuid: _size(run, holders.get(uuid)) for uuid in run.gpu_uuids}
    elsewhere = {
        uuid: size
        for uuid, held in holders.items()
        if uuid not in booked and (size := _size(run, held))
    }
    known = {uuid: mib for uuid, mib in booked.items() if mib is not None}
    unnamed = run.ready_at is not None and not any(known.values())
    if len(known) < len(booked) or (booked and unnamed):
        return None
    return {**known, **elsewhere} or None


def _size(run: Run, held: Holders) -> int | None:
    return None if held is None else held.get(run.uid, 0)
