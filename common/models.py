"""The abstract job (work that takes longer than a request or a task of the queue), and
the versions that applied migrations."""

from __future__ import annotations

import uuid
from enum import nonmember
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from common import clock
from common.messages import reason_of

# Without a heartbeat for so long, the process of a job is taken to be gone.
SILENT_S = 20.0


def new_uid() -> str:
    return uuid.uuid4().hex


class JobState(models.TextChoices):
    """OPEN: ends by itself. WORKING: a process has it, or had it when it was killed."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")

    OPEN = nonmember(frozenset({"queued", "running"}))
    WORKING = nonmember(frozenset({"running"}))


class Job(models.Model):
    """Subclasses may add states; verbs are in common.jobs.

    done, total: progress, in a unit of the subclass; total is None until it is known.
    claim: token of the process that works on it. heartbeat, retry_uptime: seconds of
    clock.uptime() under boot_id. attempts: without progress, in a row.
    """

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    state = models.CharField(
        _("state"), max_length=10, choices=JobState, default=JobState.QUEUED
    )
    code = models.CharField(max_length=40, blank=True)
    params = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    retry_at = models.DateTimeField(null=True)  # for people; retry_uptime decides
    expires_at = models.DateTimeField(_("valid until"), null=True)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True)
    claim = models.CharField(max_length=32, blank=True)
    boot_id = models.CharField(max_length=36, blank=True)
    heartbeat = models.FloatField(null=True)
    retry_uptime = models.FloatField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    # States of the subclass
    states: ClassVar[Any] = JobState

    class Meta:
        abstract = True
        ordering = ("-pk",)

    @property
    def is_open(self) -> bool:
        return self.state in self.states.OPEN

    @property
    def is_silent(self) -> bool:
        """Whether the process that works on it seems to be gone."""
        if self.heartbeat is None or self.boot_id != clock.boot_id():
            return True
        return clock.uptime() - self.heartbeat > SILENT_S

    @property
    def is_due(self) -> bool:
        """Queued, and any delay before another try is over. A restart of the machine
        ends the delay."""
        if self.state != JobState.QUEUED:
            return False
        if self.retry_uptime is None or self.boot_id != clock.boot_id():
            return True
        return clock.uptime() >= self.retry_uptime

    @property
    def reason(self) -> dict[str, Any] | None:
        """Why it failed, or is tried again later."""
        return reason_of(self.code, self.params)

    @property
    def progress(self) -> float:
        """0 to 1."""
        if self.state == JobState.DONE:
            return 1.0
        return min(0.99, self.done / max(1, self.total or 0))

    @property
    def percent(self) -> int:
        return int(100 * self.progress)


class AppliedMigration(models.Model):
    """Which version of the code applied a migration; see common.database."""

    app = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    version = models.CharField(max_length=100)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["app", "name"], name="one_row_for_each_migration"
            ),
        )

    def __str__(self) -> str:
        return f"{self.app}.{self.name}"
