"""Named sets of what engines run on and are fed with; no rows."""

from enum import nonmember

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class GpuMode(TextChoices):
    """excluded: takes no new runs, keeps those it has. drained: they leave, too."""

    OPEN = "open", _("Open")
    EXCLUDED = "excluded", _("Excluded")
    DRAINED = "drained", _("Drained")


class Hub(TextChoices):
    HUGGINGFACE = "huggingface", "Hugging Face"
    MODELSCOPE = "modelscope", "ModelScope"


class DownloadState(TextChoices):
    """open: ends by itself. working: a process has it, or had it when it was killed."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Downloading")
    VERIFYING = "verifying", _("Being checked")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")

    OPEN = nonmember(frozenset({"queued", "running", "verifying"}))
    WORKING = nonmember(frozenset({"running", "verifying"}))


class PullState(TextChoices):
    """open: a process has it, or is about to."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Downloading")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")

    OPEN = nonmember(frozenset({"queued", "running"}))
