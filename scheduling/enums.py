"""Named sets of the scheduler; no rows."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class DecisionKind(TextChoices):
    """reason: a model waits or is in error, for a reason that is new."""

    PLACEMENT = "placement", _("Placement")
    EVICTION = "eviction", _("Eviction")
    REASON = "reason", _("Reason")
