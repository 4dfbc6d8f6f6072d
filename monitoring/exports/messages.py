"""Codes about exports."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason

REASONS = (
    Reason("unknown_format", _("Unknown format %(value)s. Allowed: %(allowed)s.")),
    Reason(
        "export_too_large",
        _(
            "This export would have some %(value)s rows; allowed: up to %(max)s. Use"
            " fewer metrics, a shorter time or a wider step."
        ),
    ),
    Reason(
        "export_needs_background",
        _(
            "Excel files of more than %(max)s rows, here some %(value)s, are made in"
            " the background: POST /api/monitoring/exports."
        ),
    ),
    Reason(
        "too_many_exports",
        _("Exports at once: up to %(max)s. Wait until one of yours is done."),
    ),
    Reason("no_such_export", _("There is no export %(value)s, or it is over.")),
    Reason("export_has_no_file", _("Export %(value)s has no file yet, or no more.")),
)
