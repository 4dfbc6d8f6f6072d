"""Codes that monitoring raises."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason

REASONS = (
    # What is wrong with a request
    Reason(
        "unknown_metric",
        _("There is no metric %(value)s. Allowed: %(allowed)s."),
        nearest=_("There is no metric %(value)s. Did you mean %(nearest)s?"),
    ),
    Reason(
        "unknown_source",
        _("Nothing is known of %(value)s. There are: %(allowed)s."),
        nearest=_("Nothing is known of %(value)s. Did you mean %(nearest)s?"),
    ),
    Reason(
        "aggregate_not_possible",
        _("%(value)s is not possible for %(metric)s. Allowed: %(allowed)s."),
    ),
    Reason(
        "unknown_aggregate",
        _("Unknown aggregate %(value)s. Allowed: %(allowed)s."),
    ),
    Reason(
        "too_many_points",
        _(
            "This would be %(value)s points; allowed: up to %(max)s. Use a step of at"
            " least %(step)s seconds."
        ),
    ),
    Reason(
        "bad_time",
        _(
            "%(value)s is no time. Use a date such as 2024-01-31, or"
            " 2024-01-31T12:00:00+08:00."
        ),
    ),
    Reason("end_before_start", _("The end %(end)s is not after the start %(start)s.")),
    Reason("range_too_long", _("%(value)s days are too long; allowed: up to %(max)s.")),
    Reason("unknown_range", _("Unknown range %(value)s. Allowed: %(allowed)s.")),
    Reason(
        "range_and_times",
        _("Give range, or start_time and end_time, not all of them."),
    ),
    Reason(
        "bad_step",
        _("%(value)s is no step. Use seconds, in tens, or one of %(allowed)s."),
    ),
    # Logs
    Reason("no_such_run", _("Model %(model)s has no run %(value)s.")),
    Reason(
        "too_many_logs",
        _(
            "Logs followed at once: up to %(max)s. End one of yours, or try again"
            " later."
        ),
    ),
    # Activity
    Reason(
        "history_paused",
        _(
            "Measurements are no longer kept: %(free)s MiB are free in the data folder,"
            " %(needed)s MiB are needed."
        ),
    ),
    Reason("history_resumed", _("Measurements are kept again: %(free)s MiB are free.")),
)
