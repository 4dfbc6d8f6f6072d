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
    """The states of common.models.JobState, and one more of work."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Downloading")
    VERIFYING = "verifying", _("Verifying")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")

    OPEN = nonmember(frozenset({"queued", "running", "verifying"}))
    WORKING = nonmember(frozenset({"running", "verifying"}))
