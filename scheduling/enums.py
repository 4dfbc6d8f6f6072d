"""Enums of the scheduler."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class DecisionKind(TextChoices):
    """reason: a model waits or fails for a new reason."""

    PLACEMENT = "placement", _("Placement")
    EVICTION = "eviction", _("Eviction")
    REASON = "reason", _("Reason")
