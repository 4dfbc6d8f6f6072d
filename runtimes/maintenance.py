"""Take GPUs out of service and back in."""

from __future__ import annotations

from django.db import transaction

from models_app import nudge
from models_app.activity import Actor, record
from runtimes.enums import GpuMode
from runtimes.models import Gpu


def set_mode(gpu: Gpu, mode: GpuMode, actor: Actor = None) -> bool:
    """False if it had that mode already."""
    with transaction.atomic():
        row = Gpu.objects.filter(pk=gpu.pk).exclude(mode=mode)
        if not row.update(mode=mode):
            return False
        gpu.mode = mode
        record(f"gpu_mode_{mode}", actor=actor, params={"gpu": str(gpu)})
        nudge.changed()
    return True
