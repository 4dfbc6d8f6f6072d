"""Write down what this machine has: cores, memory, GPUs."""

from __future__ import annotations

import os
from collections.abc import Iterable

import psutil
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from models_app import clock, nudge
from models_app.activity import record
from monitoring.collectors.gpus import GpuSeen
from runtimes.models import Gpu, Node


def write(gpus: Iterable[GpuSeen] | None) -> Node:
    """Rewritten each time: memory that foreign processes took or freed counts in the
    next plan. The ledger's version is the scheduler's and stays. None: GPUs are not
    known just now, and stay as they were."""
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
            seen = [_write_gpu(node, gpu).pk for gpu in gpus]
            node.gpus.exclude(pk__in=seen).filter(present=True).update(present=False)
    return node


def _write_gpu(node: Node, seen: GpuSeen) -> Gpu:
    before = Gpu.objects.filter(uuid=seen.uuid).first()
    if before is not None and before.lost != seen.lost:
        code = "gpu_is_lost" if seen.lost else "gpu_is_back"
        record(code, params={"gpu": f"{node.name}/{seen.index} {seen.name}"})
        nudge.changed()
    gpu, _ = Gpu.objects.update_or_create(
        uuid=seen.uuid,
        defaults={
            "node": node,
            "index": seen.index,
            "name": seen.name,
            "memory_mib": _memory_mib(seen, before),
            "free_mib": seen.memory_free,
            "present": True,
            "lost": seen.lost,
        },
    )
    return gpu


def _memory_mib(seen: GpuSeen, before: Gpu | None) -> int:
    """0, that is room for nothing, of a GPU that never told: it shares the machine's
    memory, which is booked as such."""
    if seen.memory_total is not None:
        return seen.memory_total
    return before.memory_mib if before else 0
