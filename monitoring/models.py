"""Metrics history in three tiers, and export jobs."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import UniqueConstraint
from django.utils.translation import gettext_lazy as _

import monitoring.alerts.models
import monitoring.usage.models  # noqa: F401 -- models of packages belong to this app
from common.models import Job, JobState


class Source(models.Model):
    """A measured object: machine, GPU, served model or the platform. Times are seconds
    since the epoch, here and in all tiers."""

    kind = models.CharField(max_length=10)
    # Name of a machine, UUID of a GPU, id of a model, or "platform"
    key = models.CharField(max_length=255)
    name = models.CharField(_("name"), max_length=255)
    node = models.CharField(_("machine"), max_length=255, blank=True)
    metrics = models.JSONField(default=list)
    first_seen = models.BigIntegerField()
    last_seen = models.BigIntegerField()
    demo = models.BooleanField(default=False)

    class Meta:
        ordering = ("kind", "name", "key")
        constraints = [
            UniqueConstraint(fields=["kind", "key"], name="source_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class Bucket(models.Model):
    """Everything that one writer measured of one source within one interval. Several
    processes may measure the same source, each in its own rows; readers sum them.

    values: bucket_values.Values as JSON text. Queries read rows by the ten thousand,
    and both databases return unparsed text fastest.
    """

    WIDTH_S: ClassVar[int]

    source = models.ForeignKey(Source, models.CASCADE, db_index=False, related_name="+")
    start = models.BigIntegerField()
    writer = models.CharField(max_length=40, blank=True)  # "" for rolled-up rows
    values = models.TextField()
    touched = models.BigIntegerField()

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        abstract = True
        constraints = [
            UniqueConstraint(
                fields=["source", "start", "writer"], name="%(class)s_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_id}@{self.start}"


class Bucket10s(Bucket):
    WIDTH_S = 10

    class Meta(Bucket.Meta):
        abstract = False
        # The roll-up reads the rows written since its last run.
        indexes = [models.Index(fields=["touched"], name="bucket10s_touched")]


class Bucket1m(Bucket):
    WIDTH_S = 60

    class Meta(Bucket.Meta):
        abstract = False


class Bucket1h(Bucket):
    WIDTH_S = 3600

    class Meta(Bucket.Meta):
        abstract = False


TIERS: tuple[type[Bucket], ...] = (Bucket10s, Bucket1m, Bucket1h)
TIER_NAMES: dict[type[Bucket], str] = {
    Bucket10s: "10s",
    Bucket1m: "1m",
    Bucket1h: "1h",
}


class Watermark(models.Model):
    """Time up to which a job is done: "roll_up" or "pruned_<tier>". Of a writer of
    usage ("usage_<writer>"): number of its last batch, about milliseconds."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.at}"


class Total(models.Model):
    """Sums of a source's counters and histograms over all buckets that start before
    `until`. Prometheus counters must never decrease, but history is pruned.
    """

    source = models.OneToOneField(
        Source, models.CASCADE, primary_key=True, related_name="+"
    )
    until = models.BigIntegerField()
    values = models.TextField()

    def __str__(self) -> str:
        return f"{self.source_id}<{self.until}"


class ExportJob(Job):
    """An export too large to be waited for. Its file is there until expires_at. done
    and total are rows; total is an estimate."""

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+"
    )
    format = models.CharField(_("format"), max_length=10)
    request = models.JSONField(default=dict)  # as history.params reads it
    file_name = models.CharField(_("file"), max_length=200)
    size_bytes = models.BigIntegerField(null=True)

    class Meta(Job.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=JobState.values),
                name="export_state_known",
            )
        ]

    def __str__(self) -> str:
        return self.file_name
