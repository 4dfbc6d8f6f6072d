"""States of what this app does in the background."""

from enum import nonmember

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ExportState(TextChoices):
    WAITING = "waiting", _("Waiting")
    RUNNING = "running", _("Being written")
    DONE = "done", _("Ready for download")
    FAILED = "failed", _("Failed")

    OPEN = nonmember(frozenset({"waiting", "running"}))
