"""Codes about exports."""

from django.utils.translation import gettext_lazy as _

from common.enums import Fault
from common.messages import Reason

REASONS = (
    Reason(
        "unknown_format", _("Unknown format %(value)s. Allowed values: %(allowed)s.")
    ),
    Reason(
        "export_too_large",
        _(
            "This export would have about %(value)s rows. At most %(max)s are allowed."
            " Use fewer metrics, a shorter range or a larger step."
        ),
    ),
    Reason(
        "export_needs_background",
        _(
            "Excel files of more than %(max)s rows (here about %(value)s) are created"
            " in the background: POST /api/monitoring/exports."
        ),
    ),
    Reason(
        "too_many_exports",
        _(
            "At most %(max)s exports can run at the same time. Wait until one of yours"
            " is done."
        ),
    ),
    Reason("no_such_export", _("Export %(value)s does not exist or has expired.")),
    Reason(
        "export_has_no_file",
        _("The file of export %(value)s is not ready yet or has been deleted."),
    ),
    Reason(
        "export_interrupted",
        _("The process that wrote it was killed repeatedly."),
        advice=_("Export fewer metrics or a shorter range, or try again."),
        fault=Fault.MACHINE,
    ),
    Reason(
        "export_unwritable",
        _("The file could not be written: %(detail)s."),
        advice=_("Free some space in the data folder, then try again."),
        fault=Fault.MACHINE,
    ),
)
