"""Takes GPUs out of service and back: operators by mode, sensors by health."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from common import broker, clock
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
        broker.notify_change()
    return True


# The most severe fault: others that are reported later change nothing.
WORST = "gpu_needs_reboot"


def mark_unhealthy(gpu: Gpu, code: str, params: dict[str, object]) -> bool:
    """Its runs move elsewhere. False if this fault, or a worse one, is already
    known."""
    with transaction.atomic():
        row = Gpu.objects.filter(pk=gpu.pk).exclude(unhealthy_code__in=(code, WORST))
        if not row.update(
            unhealthy_code=code,
            unhealthy_params=params,
            unhealthy_since=timezone.now(),
            unhealthy_boot=clock.boot_id(),
        ):
            return False
        record("gpu_is_unhealthy", params={"gpu": str(gpu)}, reason=(code, params))
        broker.notify_change()
    return True


def mark_healthy(gpu: Gpu, actor: Actor = None) -> bool:
    """False if it was not unhealthy."""
    with transaction.atomic():
        row = Gpu.objects.filter(pk=gpu.pk).exclude(unhealthy_code="")
        if not row.update(
            unhealthy_code="",
            unhealthy_params={},
            unhealthy_since=None,
            unhealthy_boot="",
        ):
            return False
        record("gpu_is_healthy", actor=actor, params={"gpu": str(gpu)})
        broker.notify_change()
    return True
