"""Codes about limits: validation and activity. The gateway has those of requests."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from common.messages import Reason
from models_app.limits.models import SUBJECTS, Limit

FIELDS = {field.name: field.verbose_name for field in Limit._meta.fields}
BY_SUBJECT = {"subject": SUBJECTS}
REASONS = (
    Reason(
        "limit_one_subject",
        _("A limit applies to exactly one of %(allowed)s."),
    ),
    Reason(
        "limit_subject_fixed",
        _("What a limit applies to cannot be changed. Create another limit."),
    ),
    Reason(
        "limit_exists",
        _("This %(subject)s has a limit already. Change it instead."),
        labels=BY_SUBJECT,
    ),
    Reason("limit_other_subject", _("%(key)s is only for limits of %(allowed)s.")),
    Reason("limit_needs", _("%(key)s requires %(needed)s.")),
    Reason("limit_empty", _("A limit needs at least one of %(allowed)s.")),
    Reason("no_such_limit", _("There is no limit %(value)s.")),
    Reason("no_such_subject", _("%(key)s %(value)s does not exist.")),
    Reason(
        "limit_conflict",
        _("The limit was changed by someone else in the meantime. Try again."),
    ),
    Reason(
        "limit_created",
        _("A limit was set for %(subject)s %(name)s: %(fields)s."),
        labels={**BY_SUBJECT, "fields": FIELDS},
    ),
    Reason(
        "limit_changed",
        _("The limit of %(subject)s %(name)s was changed: %(fields)s."),
        labels={**BY_SUBJECT, "fields": FIELDS},
    ),
    Reason(
        "limit_deleted",
        _("The limit of %(subject)s %(name)s was deleted."),
        labels=BY_SUBJECT,
    ),
)
