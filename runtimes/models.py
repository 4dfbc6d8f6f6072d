"""Machines that run engines, and their GPUs. Sensors write, the planner reads."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from models_app.models import reason_of
from runtimes.enums import GpuMode


class Node(models.Model):
    """version: ledger of its resources; each placement swaps it, so that of two plans
    made on the same picture only one is carried out."""

    name = models.CharField(_("name"), max_length=255, unique=True)
    cpu_cores = models.PositiveSmallIntegerField(_("CPU cores"))
    memory_mib = models.PositiveIntegerField(_("memory, MiB"))
    boot_id = models.CharField(max_length=36)
    version = models.PositiveBigIntegerField(default=0)
    seen_at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("machine")
        verbose_name_plural = _("machines")

    def __str__(self) -> str:
        return self.name


class Gpu(models.Model):
    node = models.ForeignKey(
        Node, models.CASCADE, related_name="gpus", verbose_name=_("machine")
    )
    uuid = models.CharField("UUID", max_length=80, unique=True)
    index = models.PositiveSmallIntegerField(_("index"))
    name = models.CharField(_("name"), max_length=200)
    memory_mib = models.PositiveIntegerField(_("memory, MiB"))
    free_mib = models.PositiveIntegerField(
        _("free, MiB"), null=True, help_text=_("As the driver measures it.")
    )
    present = models.BooleanField(_("present"), default=True)
    lost = models.BooleanField(
        _("lost"), default=False, help_text=_("The driver has lost contact with it.")
    )
    mode = models.CharField(
        _("mode"), max_length=10, choices=GpuMode, default=GpuMode.OPEN
    )
    # What is wrong with it until it is reset, though the driver reaches it; the boot of
    # the machine in which that was seen
    unhealthy_code = models.CharField(max_length=40, blank=True)
    unhealthy_params = models.JSONField(default=dict, blank=True)
    unhealthy_since = models.DateTimeField(_("unhealthy since"), null=True)
    unhealthy_boot = models.CharField(max_length=36, blank=True)

    class Meta:
        verbose_name = "GPU"
        verbose_name_plural = "GPUs"
        ordering = ("node", "index")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(mode__in=GpuMode.values), name="gpu_mode_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.node}/{self.index} {self.name}"

    @property
    def reason_code(self) -> str:
        """Why it takes no models, whatever its mode; empty: it is healthy."""
        return "gpu_unreachable" if self.lost else self.unhealthy_code

    @property
    def reason(self) -> dict[str, Any] | None:
        return reason_of(self.reason_code, self.unhealthy_params)
