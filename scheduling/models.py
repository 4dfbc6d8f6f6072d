"""Which run holds which part of which GPU."""

from __future__ import annotations

from django.db import models

from models_app.models import Run
from runtimes.models import Gpu


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
