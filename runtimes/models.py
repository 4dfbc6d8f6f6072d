"""Machines and their GPUs, which sensors write and the planner reads; downloads of
models and pulls of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.messages import reason_of
from common.models import Job, JobState
from runtimes.enums import DownloadState, GpuMode, Hub


class Node(models.Model):
    """version: ledger of its resources; each placement swaps it, so that of two plans
    made on the same picture only one is carried out."""

    name = models.CharField(_("name"), max_length=255, unique=True)
    cpu_cores = models.PositiveSmallIntegerField(_("CPU cores"))
    memory_mib = models.PositiveIntegerField(_("memory (MiB)"))
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
    memory_mib = models.PositiveIntegerField(_("memory (MiB)"))
    free_mib = models.PositiveIntegerField(
        _("free (MiB)"), null=True, help_text=_("As measured by the GPU driver.")
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
        verbose_name = _("GPU")
        verbose_name_plural = _("GPUs")
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


class Download(Job):
    """A model, or some of its files, from a hub into a folder of this machine. done and
    total are bytes."""

    hub = models.CharField(_("hub"), max_length=20, choices=Hub)
    repo = models.CharField(_("repository"), max_length=200)
    revision = models.CharField(_("revision"), max_length=100, blank=True)
    patterns = models.JSONField(default=list, blank=True)  # of files; none: all
    root = models.CharField(max_length=1000)
    folder = models.CharField(_("folder"), max_length=100)
    state = models.CharField(
        _("state"), max_length=10, choices=DownloadState, default=DownloadState.QUEUED
    )
    # Of the first listing: what is fetched stays the same, though branches move. Null:
    # nothing was listed yet
    commit = models.CharField(max_length=64, blank=True)
    inode = models.PositiveBigIntegerField(default=0)
    files_total = models.PositiveIntegerField(null=True)

    states = DownloadState

    class Meta(Job.Meta):
        verbose_name = _("download")
        verbose_name_plural = _("downloads")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=DownloadState.values),
                name="download_state_known",
            ),
            models.UniqueConstraint(
                fields=("root", "folder"),
                condition=models.Q(state__in=sorted(DownloadState.OPEN)),
                name="download_target_once",
            ),
        ]

    def __str__(self) -> str:
        return self.repo

    @property
    def path(self) -> Path:
        """Of the folder when it is whole."""
        return Path(self.root, self.folder)


class ImagePull(Job):
    """An image of an engine that is pulled from its registry. done and total are
    bytes; layers may still be unpacked when all bytes are here."""

    driver = models.CharField(_("driver"), max_length=50)
    key = models.CharField(max_length=100)  # framework or engine
    image = models.CharField(_("image"), max_length=500)
    layers = models.PositiveIntegerField(default=0)
    layers_done = models.PositiveIntegerField(default=0)

    class Meta(Job.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=JobState.values), name="pull_state_known"
            ),
            models.UniqueConstraint(
                fields=("driver", "image"),
                condition=models.Q(state__in=sorted(JobState.OPEN)),
                name="pull_once",
            ),
        ]

    def __str__(self) -> str:
        return self.image
