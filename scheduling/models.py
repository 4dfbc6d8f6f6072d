"""Which run holds which part of which GPU, and what the scheduler decided."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from models_app.models import Run, ServedModel, reason_of
from runtimes.models import Gpu
from scheduling.enums import DecisionKind


class Allocation(models.Model):
    """Live exactly while its run has not ended: nothing frees it, so nothing leaks.
    CPU cores and memory are held by the run row itself."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="allocations")
    gpu = models.ForeignKey(Gpu, models.CASCADE, related_name="allocations")
    mib = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint("run", "gpu", name="one_allocation_per_run_and_gpu")
        ]

    def __str__(self) -> str:
        return f"{self.run}: {self.mib} MiB of {self.gpu}"


class Decision(models.Model):
    """One placement, eviction or new reason of a plan that was carried out."""

    at = models.DateTimeField(_("time"), auto_now_add=True, db_index=True)
    kind = models.CharField(_("kind"), max_length=10, choices=DecisionKind)
    model = models.ForeignKey(
        ServedModel, models.SET_NULL, null=True, related_name="decisions"
    )
    model_name = models.CharField(_("model"), max_length=63)
    priority = models.PositiveSmallIntegerField(_("priority"))
    # Not a key: runs are forgotten earlier than decisions.
    run_uid = models.CharField(_("run"), max_length=32, blank=True)
    code = models.CharField(max_length=40)
    params = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("scheduling decision")
        verbose_name_plural = _("scheduling decisions")
        ordering = ("-pk",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=DecisionKind.values),
                name="decision_kind_known",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model_name}: {self.message}"

    @property
    def reason(self) -> dict[str, Any] | None:
        return reason_of(self.code, {"model": self.model_name, **self.params})

    @property
    def message(self) -> str:
        return str(self.reason["message"]) if self.reason else ""
