"""Named sets of what engines run on; no rows."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class GpuMode(TextChoices):
    """excluded: takes no new runs, keeps those it has. drained: they leave, too."""

    OPEN = "open", _("Open")
    EXCLUDED = "excluded", _("Excluded")
    DRAINED = "drained", _("Drained")
