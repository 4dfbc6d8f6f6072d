"""States and named sets of alerts."""

from enum import nonmember

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Severity(TextChoices):
    """From the mildest to the worst."""

    INFO = "info", _("Info")
    WARNING = "warning", _("Warning")
    CRITICAL = "critical", _("Critical")


class Comparison(TextChoices):
    GT = ">", _("above")
    GE = ">=", _("at or above")
    LT = "<", _("below")
    LE = "<=", _("at or below")


class AlertState(TextChoices):
    """no_data: it was firing when its series stopped. OPEN: not over yet."""

    PENDING = "pending", _("Pending")
    FIRING = "firing", _("Firing")
    NO_DATA = "no_data", _("No data")
    RESOLVED = "resolved", _("Resolved")

    OPEN = nonmember(frozenset({"pending", "firing", "no_data"}))
    # Shown and sent; a pending alert that clears leaves no trace.
    FIRED = nonmember(frozenset({"firing", "no_data", "resolved"}))


class RuleState(TextChoices):
    """The worst of all series of a rule."""

    OK = "ok", _("OK")
    NO_DATA = "no_data", _("No data")
    PENDING = "pending", _("Pending")
    FIRING = "firing", _("Firing")


class ChannelKind(TextChoices):
    WEB = "web", _("Web")
    MAIL = "mail", _("Mail")
    WEBHOOK = "webhook", _("Webhook")
    APPRISE = "apprise", _("Apprise")


class DeliveryKind(TextChoices):
    ALERTS = "alerts", _("Alerts")
    TEST = "test", _("Test")
