"""Codes about aliases of several models: validation and activity."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from common.messages import Reason
from models_app.aliases.models import ModelAlias

FIELDS = {
    **{field.name: field.verbose_name for field in ModelAlias._meta.fields},
    "targets": _("models"),
}
REASONS = (
    Reason("alias_needs_models", _("An alias needs at least one model.")),
    Reason(
        "too_many_targets",
        _("%(value)s models were given; at most %(max)s are allowed."),
    ),
    Reason("duplicate_target", _("Model %(value)s was given more than once.")),
    Reason("no_such_alias", _("There is no alias %(value)s.")),
    Reason("alias_created", _("Alias %(name)s was created.")),
    Reason(
        "alias_changed",
        _("Alias %(name)s was changed: %(fields)s."),
        labels={"fields": FIELDS},
    ),
    Reason("alias_deleted", _("Alias %(name)s was deleted.")),
    Reason(
        "alias_conflict",
        _("Alias %(name)s was changed by someone else in the meantime. Try again."),
    ),
)
