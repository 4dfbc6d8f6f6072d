"""Stores what this machine has: cores, memory, GPUs."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

import psutil
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from common import broker, clock
from models_app.activity import record
from runtimes.machine import gpu_memory
from runtimes.machine.maintenance import mark_healthy
from runtimes.machine.nvml import GpuSeen
from runtimes.models import Gpu, Node

SEEN_FIELDS = ("node", "index", "name", "memory_mib", "free_mib", "present", "lost")


def write(gpus: Collection[GpuSeen] | None) -> Node:
    """Rewrites the rows each time: memory that foreign processes take or free counts in
    the next plan. The version of the ledger belongs to the scheduler and stays. None:
    GPUs are unknown at the moment, and their rows stay."""
    with transaction.atomic():
        node, _ = Node.objects.update_or_create(
            name=settings.NODE_NAME,
            defaults={
                "cpu_cores": len(os.sched_getaffinity(0)),
                "memory_mib": psutil.virtual_memory().total // 2**20,
                "boot_id": clock.boot_id(),
                "seen_at": timezone.now(),
            },
        )
        if gpus is not None:
            _write_gpus(node, gpus)
            gpu_memory.write(gpus)
    return node


def _write_gpus(node: Node, seen: Collection[GpuSeen]) -> None:
    uuids = [gpu.uuid for gpu in seen]
    known = {gpu.uuid: gpu for gpu in Gpu.objects.filter(uuid__in=uuids)}
    node.gpus.exclude(uuid__in=uuids).filter(present=True).update(present=False)
    Gpu.objects.bulk_create(
        [_row(node, gpu, known.get(gpu.uuid)) for gpu in seen],
        update_conflicts=True,
        unique_fields=["uuid"],
        update_fields=SEEN_FIELDS,
    )
    _record_changes(node, seen, known)


def _row(node: Node, seen: GpuSeen, before: Gpu | None) -> Gpu:
    return Gpu(
        uuid=seen.uuid,
        node=node,
        index=seen.index,
        name=seen.name,
        memory_mib=_memory_mib(seen, before),
        free_mib=seen.memory_free,
        present=True,
        lost=seen.lost,
    )


def _memory_mib(seen: GpuSeen, before: Gpu | None) -> int:
    """0 for a GPU that never reported it: it shares the memory of the machine, which is
    booked there."""
    if seen.memory_total is not None:
        return seen.memory_total
    return before.memory_mib if before else 0


def _record_changes(node: Node, seen: Iterable[GpuSeen], known: dict[str, Gpu]) -> None:
    for gpu in seen:
        before = known.get(gpu.uuid)
        if before is None:
            continue
        before.node = node
        if before.lost != gpu.lost:
            code = "gpu_is_lost" if gpu.lost else "gpu_is_back"
            record(code, params={"gpu": f"{node.name}/{gpu.index} {gpu.name}"})
            broker.notify_change()
        if before.unhealthy_code and not gpu.lost and _was_reset(before):
            mark_healthy(before)


def _was_reset(before: Gpu) -> bool:
    """Together with its machine, or alone, which the driver sees as a lost GPU."""
    restarted = before.unhealthy_boot != clock.boot_id()
    return restarted or before.lost or not before.present
