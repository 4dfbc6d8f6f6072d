"""Codes of alerts and alert rules."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason
from monitoring.alerts.models import AlertRule, NotificationChannel
from monitoring.alerts.presets import PRESETS
from monitoring.labels import LABELS

FIELDS = {
    field.name: field.verbose_name
    for model in (NotificationChannel, AlertRule)
    for field in (*model._meta.fields, *model._meta.many_to_many)
}
NAMES = [preset["name"] for preset in PRESETS.values()]
BY_RULE = {"rule": {name: _(name) for name in NAMES}}

REASONS = (
    # What is wrong with a rule, or with a name
    Reason("rule_name_taken", _("Another alert rule is already named %(value)s.")),
    Reason(
        "alert_text_invalid",
        _(
            "%(key)s must not contain control characters or the syntax of templates"
            " (%(allowed)s), as in %(value)s."
        ),
    ),
    Reason(
        "rule_unknown_comparison",
        _("Unknown comparison %(value)s. Allowed values: %(allowed)s."),
    ),
    Reason(
        "rule_unknown_severity",
        _("Unknown severity %(value)s. Allowed values: %(allowed)s."),
    ),
    Reason(
        "rule_clear_threshold",
        _(
            "The clear threshold %(value)s must be at or below the threshold"
            " %(threshold)s, since the rule fires above it."
        ),
        variants={
            "fires_below": _(
                "The clear threshold %(value)s must be at or above the threshold"
                " %(threshold)s, since the rule fires below it."
            )
        },
    ),
    Reason(
        "rule_scope_kind",
        _(
            "%(value)s cannot be in the scope: %(metric)s is measured on sources of the"
            " kind %(allowed)s."
        ),
        labels={"metric": LABELS},
    ),
    Reason(
        "rule_scope_source",
        _("There is no source %(value)s. Available: %(allowed)s."),
    ),
    Reason(
        "rule_unknown_channel",
        _("There is no notification channel %(value)s. Available: %(allowed)s."),
    ),
    # What cannot be done with an alert
    Reason(
        "alert_silence_end",
        _(
            "%(value)s cannot be the end of a silence. It must be in the future, by"
            " %(max)s at the latest."
        ),
    ),
    Reason(
        "alert_not_firing",
        _("%(alert)s is over: only alerts that are firing can be changed."),
    ),
    Reason("alert_not_silenced", _("%(alert)s is not silenced.")),
    Reason("no_such_alert", _("There is no alert %(value)s.")),
    Reason("no_such_alert_rule", _("There is no alert rule %(value)s.")),
    # What is wrong with a channel, or cannot be done with it
    Reason(
        "alert_channel_name_taken",
        _("Another notification channel is already named %(value)s."),
    ),
    Reason(
        "alert_channel_unknown_kind",
        _("Unknown kind of channel %(value)s. Allowed values: %(allowed)s."),
    ),
    Reason(
        "alert_channel_unknown_language",
        _("Unknown language %(value)s. Allowed values: %(allowed)s."),
    ),
    Reason(
        "alert_channel_kind_fixed",
        _("The kind of a channel cannot change from %(allowed)s to %(value)s."),
        advice=_("Create another channel."),
    ),
    Reason(
        "alert_channel_without_secret",
        _("The channel %(channel)s has no secret to rotate: only webhooks have one."),
    ),
    Reason("no_such_channel", _("There is no notification channel %(value)s.")),
    Reason("no_such_delivery", _("There is no delivery %(value)s.")),
    # Activity
    Reason(
        "alert_acknowledged",
        _("The alert “%(rule)s” of %(source)s was acknowledged."),
        labels=BY_RULE,
    ),
    Reason(
        "alert_silenced",
        _("The alert “%(rule)s” of %(source)s was silenced until %(until)s."),
        labels=BY_RULE,
    ),
    Reason(
        "alert_unsilenced",
        _("The silence of the alert “%(rule)s” of %(source)s was ended."),
        labels=BY_RULE,
    ),
    Reason(
        "alert_rule_created",
        _("The alert rule “%(rule)s” was created."),
        labels=BY_RULE,
    ),
    Reason(
        "alert_rule_changed",
        _("The alert rule “%(rule)s” was changed: %(fields)s."),
        labels={**BY_RULE, "fields": FIELDS},
    ),
    Reason(
        "alert_rule_deleted",
        _("The alert rule “%(rule)s” was deleted."),
        labels=BY_RULE,
    ),
    Reason(
        "alert_channel_created",
        _("The notification channel %(channel)s was created."),
    ),
    Reason(
        "alert_channel_changed",
        _("The notification channel %(channel)s was changed: %(fields)s."),
        labels={"fields": FIELDS},
    ),
    Reason(
        "alert_channel_deleted",
        _("The notification channel %(channel)s was deleted."),
    ),
    Reason(
        "alert_channel_rotated",
        _(
            "The notification channel %(channel)s got a new secret. The old one signs"
            " as well for 24 hours."
        ),
    ),
)
