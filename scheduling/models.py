"""Allocations of GPU memory, and the decisions of the scheduler."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.messages import reason_of
from models_app.models import Run, ServedModel
from runtimes.models import Gpu
from scheduling.enums import DecisionKind


class Allocation(models.Model):
    """GPU memory held by a run until it ends. Nothing frees it explicitly, so nothing
    leaks. The run itself holds CPU cores and memory."""

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
    """A placement, an eviction or a new reason from a plan that was applied."""

    at = models.DateTimeField(_("time"), auto_now_add=True, db_index=True)
    kind = models.CharField(_("kind"), max_length=10, choices=DecisionKind)
    model = models.ForeignKey(
        ServedModel, models.SET_NULL, null=True, related_name="decisions"
    )
    model_name = models.CharField(_("model"), max_length=63)
    priority = models.PositiveSmallIntegerField(_("priority"))
    # No foreign key: runs are deleted earlier than decisions.
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
