"""Codes that monitoring raises."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason

REASONS = (
    # What is wrong with a request
    Reason(
        "unknown_metric",
        _("Metric %(value)s does not exist. Allowed values: %(allowed)s."),
        variants={
            "nearest": _("Metric %(value)s does not exist. Did you mean %(nearest)s?")
        },
    ),
    Reason(
        "unknown_source",
        _("There is no data for %(value)s. Available: %(allowed)s."),
        variants={
            "nearest": _("There is no data for %(value)s. Did you mean %(nearest)s?")
        },
    ),
    Reason(
        "aggregate_not_possible",
        _("%(metric)s does not support %(value)s. Allowed values: %(allowed)s."),
    ),
    Reason(
        "unknown_aggregate",
        _("Unknown aggregate %(value)s. Allowed values: %(allowed)s."),
    ),
    Reason(
        "too_many_points",
        _(
            "The result would have %(value)s points. At most %(max)s are allowed. Use a"
            " step of at least %(step)s seconds."
        ),
    ),
    Reason(
        "bad_time",
        _(
            "%(value)s is not a valid time. Use a date such as 2024-01-31, or"
            " 2024-01-31T12:00:00+08:00."
        ),
    ),
    Reason("end_before_start", _("The end %(end)s must be after the start %(start)s.")),
    Reason(
        "range_too_long",
        _("The range has %(value)s days. At most %(max)s are allowed."),
    ),
    Reason("unknown_range", _("Unknown range %(value)s. Allowed values: %(allowed)s.")),
    Reason(
        "range_and_times",
        _("Use either range, or start_time and end_time, but not both."),
    ),
    Reason(
        "bad_step",
        _(
            "%(value)s is not a valid step. Use seconds in multiples of 10, or one of"
            " %(allowed)s."
        ),
    ),
    Reason(
        "unknown_group_by",
        _("Usage cannot be grouped by %(value)s. Allowed values: %(allowed)s."),
    ),
    Reason(
        "too_many_values",
        _("%(key)s has %(value)s values. At most %(max)s are allowed."),
    ),
    # Logs
    Reason("no_such_run", _("Model %(model)s has no run %(value)s.")),
    Reason(
        "too_many_logs",
        _(
            "At most %(max)s logs can be followed at the same time. Close one of yours,"
            " or try again later."
        ),
    ),
    # Activity
    Reason(
        "history_paused",
        _(
            "Metrics are no longer stored: the data folder has %(free)s MiB free, but"
            " needs %(needed)s MiB."
        ),
    ),
    Reason("history_resumed", _("Metrics are stored again: %(free)s MiB are free.")),
)
