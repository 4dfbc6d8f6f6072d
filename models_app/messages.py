"""Codes that models_app raises: operations, validation, activity, tokens."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason
from models_app.enums import Operation, Status

STATUS = dict(Status.choices)
OPERATION = dict(Operation.choices)
REASONS = (
    # Operations and status
    Reason(
        "operation_not_allowed",
        _(
            "Model %(model)s is %(status)s: %(operation)s is not allowed. Allowed:"
            " %(allowed)s."
        ),
        labels={"status": STATUS, "operation": OPERATION, "allowed": OPERATION},
    ),
    Reason("conflict", _("Model %(model)s was changed by somebody else. Try again.")),
    Reason(
        "engine_unseen",
        _(
            "Its driver %(driver)s cannot see its engines now; they are taken to run"
            " on."
        ),
    ),
    # Validation of models
    Reason(
        "unknown_framework",
        _("Unknown framework %(value)s. Allowed: %(allowed)s."),
    ),
    Reason("duplicate_name", _("The name %(value)s is taken by another model.")),
    Reason(
        "name_reserved",
        _("The name %(value)s is the platform's own. Choose another."),
    ),
    Reason(
        "gpu_memory_without_gpus",
        _("%(value)s MiB of GPU memory need a GPU, but gpu_count is 0."),
    ),
    Reason(
        "config_too_large",
        _("The configuration has %(value)s bytes; allowed: up to %(max)s."),
    ),
    Reason(
        "not_storable",
        _("%(key)s holds a NUL, a broken character or a number that is not finite."),
    ),
    Reason("admin_only", _("Only administrators may set %(key)s.")),
    Reason("no_such_model", _("There is no model %(value)s.")),
    Reason(
        "search_too_long",
        _("The search has %(value)s characters; allowed: up to %(max)s."),
    ),
    # API tokens and users
    Reason("unknown_user", _("There is no user %(value)s. There are: %(allowed)s.")),
    Reason(
        "inactive_user",
        _("User %(value)s is not active: no token of theirs would work."),
    ),
    Reason("duplicate_token", _("User %(user)s has a token named %(value)s already.")),
    Reason("token_restricted", _("This token is restricted to: %(allowed)s.")),
    # Activity
    Reason("model_created", _("Model %(model)s was added.")),
    Reason("model_updated", _("Model %(model)s was changed: %(fields)s.")),
    Reason("model_deleted", _("Model %(model)s was deleted.")),
    Reason("start_requested", _("Start of %(model)s was requested.")),
    Reason("stop_requested", _("Stop of %(model)s was requested.")),
    Reason("restart_requested", _("Restart of %(model)s was requested.")),
    Reason(
        "status_changed",
        _("%(model)s: %(old)s → %(new)s."),
        labels={"old": STATUS, "new": STATUS},
    ),
    Reason("run_ready", _("%(model)s is ready on %(node)s.")),
    Reason("run_stopping", _("The engine of %(model)s is being stopped.")),
    Reason("run_ended", _("The engine of %(model)s ended.")),
    Reason("token_created", _("API token %(name)s was created for %(user)s.")),
    Reason("token_deleted", _("API token %(name)s of %(user)s was deleted.")),
)
