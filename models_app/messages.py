"""Codes that models_app raises: operations, validation, activity, tokens."""

from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from common.enums import Fault, Retry
from common.messages import Reason
from models_app.enums import Operation, Status, TokenScope
from models_app.models import ServedModel

STATUS = dict(Status.choices)
OPERATION = dict(Operation.choices)
FIELDS = {
    field.name: field.verbose_name
    for field in (*ServedModel._meta.fields, *ServedModel._meta.many_to_many)
}
ACCOUNT_FIELDS = {field.name: field.verbose_name for field in User._meta.fields}
# What an approval is bound to
PARTS = {
    "framework": _("framework"),
    "driver": _("driver"),
    "engine": _("engine"),
    "model": _("model path"),
    "files": _("model files"),
    "value": _("value"),
}
REASONS = (
    # Operations and status
    Reason(
        "operation_not_allowed",
        _(
            "Model %(model)s is in the status “%(status)s”, which does not allow"
            " “%(operation)s”. Allowed operations: %(allowed)s."
        ),
        labels={"status": STATUS, "operation": OPERATION, "allowed": OPERATION},
    ),
    Reason(
        "conflict",
        _("Model %(model)s was changed by someone else in the meantime. Try again."),
    ),
    Reason(
        "engine_unseen",
        _(
            "Driver %(driver)s cannot see its engines at the moment. They are assumed"
            " to be running."
        ),
    ),
    # Validation of models
    Reason(
        "unknown_framework",
        _("Unknown framework %(value)s. Allowed values: %(allowed)s."),
    ),
    Reason(
        "invalid_alias",
        _(
            "%(value)s cannot be an alias. Use 1 to %(max)s letters, digits and"
            " . _ : / @ + -, beginning with a letter or digit and with at least one"
            " letter."
        ),
    ),
    Reason(
        "duplicate_alias",
        _("%(value)s is already the name of a model or an alias."),
    ),
    Reason(
        "too_many_aliases",
        _("%(value)s aliases were given; at most %(max)s are allowed."),
    ),
    Reason("duplicate_name", _("Another model or alias is already named %(value)s.")),
    Reason(
        "name_reserved",
        _("The name %(value)s is reserved. Choose another."),
    ),
    Reason(
        "gpu_memory_without_gpus",
        _(
            "gpu_memory_mib is %(value)s, but gpu_count is 0. Set gpu_count to at least"
            " 1."
        ),
    ),
    Reason(
        "config_too_large",
        _("The configuration has %(value)s bytes. At most %(max)s are allowed."),
    ),
    Reason(
        "not_storable",
        _(
            "%(key)s contains a NUL character, invalid Unicode or a number that is not"
            " finite."
        ),
    ),
    Reason("admin_only", _("Only administrators may set %(key)s.")),
    Reason(
        "approval_required",
        _("%(key)s must be approved by an administrator."),
        advice=_(
            "An administrator can approve it on the model's page or with POST"
            " /api/models/NAME/approve, after checking what it applies to. Then start"
            " the model again."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
        variants={
            "changed": _(
                "%(key)s must be approved again by an administrator. Changed since the"
                " last approval: %(changed)s."
            )
        },
        labels={"changed": PARTS},
    ),
    Reason(
        "nothing_to_approve",
        _("Model %(model)s has no settings that need an administrator's approval."),
    ),
    Reason(
        "no_such_model",
        _("Model %(value)s does not exist."),
        variants={
            "nearest": _("Model %(value)s does not exist. Did you mean %(nearest)s?")
        },
    ),
    Reason(
        "search_too_long",
        _("The search has %(value)s characters. At most %(max)s are allowed."),
    ),
    # API tokens and users
    Reason(
        "unknown_user", _("User %(value)s does not exist. Existing users: %(allowed)s.")
    ),
    Reason(
        "inactive_user",
        _("User %(value)s is not active, so a token would not work."),
    ),
    Reason("duplicate_token", _("User %(user)s already has a token named %(value)s.")),
    Reason(
        "models_beyond_token",
        _("models must be among those of this token, %(allowed)s, not %(value)s."),
    ),
    Reason(
        "token_restricted",
        _("This token may only be used for: %(allowed)s."),
        labels={"allowed": dict(TokenScope.choices)},
    ),
    # Activity
    Reason("model_created", _("Model %(model)s was added.")),
    Reason(
        "model_updated",
        _("Model %(model)s was changed: %(fields)s."),
        labels={"fields": FIELDS},
    ),
    Reason("approval_granted", _("Approved for %(model)s: %(keys)s.")),
    Reason(
        "approval_lapsed",
        _("The approval of %(key)s of %(model)s lapsed. Changed: %(changed)s."),
        labels={"changed": PARTS},
    ),
    Reason("model_deleted", _("Model %(model)s was deleted.")),
    Reason("start_requested", _("A start of %(model)s was requested.")),
    Reason("stop_requested", _("A stop of %(model)s was requested.")),
    Reason("restart_requested", _("A restart of %(model)s was requested.")),
    Reason(
        "status_changed",
        _("%(model)s: %(old)s → %(new)s."),
        labels={"old": STATUS, "new": STATUS},
    ),
    Reason("run_ready", _("%(model)s is ready on %(node)s.")),
    Reason("run_stopping", _("The engine of %(model)s is being stopped.")),
    Reason("run_ended", _("The engine of %(model)s ended.")),
    # Accounts
    Reason(
        "signed_in",
        _("%(user)s signed in."),
    ),
    Reason("signed_out", _("%(user)s signed out.")),
    Reason(
        "sign_in_failed",
        _("A sign-in failed: unknown user."),
        variants={"user": _("A sign-in as %(user)s failed.")},
    ),
    Reason(
        "sign_in_locked",
        _("A sign-in was refused after too many failures."),
        variants={
            "user": _("A sign-in as %(user)s was refused after too many failures.")
        },
    ),
    Reason(
        "credentials_rejected",
        _("%(path)s rejected an invalid token."),
        variants={
            "skipped": _(
                "%(path)s rejected an invalid token. Not recorded before: %(skipped)s."
            )
        },
    ),
    Reason("account_created", _("The account %(user)s was created.")),
    Reason(
        "account_changed",
        _("The account %(user)s was changed: %(fields)s."),
        labels={"fields": ACCOUNT_FIELDS},
    ),
    Reason("account_deleted", _("The account %(user)s was deleted.")),
    Reason("password_changed", _("The password of %(user)s was changed.")),
    Reason(
        "permissions_changed",
        _("The permissions of %(user)s were changed. Groups: %(groups)s."),
    ),
    Reason("group_created", _("The group %(group)s was created.")),
    Reason("group_changed", _("The group %(group)s was changed.")),
    Reason("group_deleted", _("The group %(group)s was deleted.")),
    Reason("token_created", _("API token %(name)s was created for %(user)s.")),
    Reason("token_deleted", _("API token %(name)s of %(user)s was deleted.")),
)
