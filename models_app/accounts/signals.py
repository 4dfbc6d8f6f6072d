"""What follows from sign-ins and changes of accounts: activity, and the end of tokens.

Django's own admin and commands change accounts, so signals are the only common place.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.http import HttpRequest

from common.requests import current_request
from models_app.accounts.recording import is_recorded, throttle
from models_app.accounts.sessions import begin
from models_app.activity import Actor, address_of, record
from models_app.tokens.lifecycle import delete_tokens_of

LOGIN = frozenset({"last_login"})
CHANGED = frozenset({"post_add", "post_remove", "post_clear"})
FIELDS = (
    "username", "first_name", "last_name", "email",
    "is_active", "is_staff", "is_superuser",
)  # fmt: skip


def connect() -> None:
    user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)
    user_login_failed.connect(_sign_in_failed)
    pre_save.connect(_remember, sender=User)
    post_save.connect(_saved, sender=User)
    post_delete.connect(_deleted, sender=User)
    m2m_changed.connect(_permitted, sender=User.groups.through)
    m2m_changed.connect(_permitted, sender=User.user_permissions.through)
    post_save.connect(_group_saved, sender=Group)
    post_delete.connect(_group_deleted, sender=Group)
    m2m_changed.connect(_group_permitted, sender=Group.permissions.through)


def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    begin(request)
    if address := address_of(request):
        params: dict[str, object] = {"user": user.get_username()}
        record("signed_in", actor=user, params=params, address=address)


def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    address = address_of(request)
    if user and address:
        params: dict[str, object] = {"user": user.get_username()}
        record("signed_out", actor=user, params=params, address=address)


def _sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """Only names of accounts are recorded: people type passwords into that field."""
    address = address_of(request)
    if throttle.admit(address) is None:
        return
    name = str(credentials.get("username", ""))
    is_locked = getattr(request, "axes_locked_out", False)
    known = "\0" not in name and User.objects.filter(username=name).exists()
    code = "sign_in_locked" if is_locked else "sign_in_failed"
    record(code, params={"user": name} if known else {}, address=address)


def _remember(
    instance: Any, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    is_known = instance.pk and update_fields != LOGIN
    instance.before = User.objects.filter(pk=instance.pk).first() if is_known else None


def _saved(instance: Any, created: bool, **_: Any) -> None:
    before: User | None = instance.before
    if created:
        _record("account_created", user=instance.get_username())
    elif before is not None:
        _changed(before, instance)


def _changed(before: User, user: Any) -> None:
    name = user.get_username()
    fields = [f for f in FIELDS if getattr(before, f) != getattr(user, f)]
    if fields:
        _record("account_changed", user=name, fields=fields)
    has_new_password = _password_changed(before, user)
    if has_new_password:
        _record("password_changed", user=name)
    if has_new_password or (before.is_active and not user.is_active):
        delete_tokens_of(user, _actor())


def _password_changed(before: User, user: Any) -> bool:
    """Not by a sign-in that only renews an outdated hash: Django clears the raw
    password before it saves that."""
    renewed = user._password is None and user.has_usable_password()
    return before.password != user.password and not renewed


def _deleted(instance: User, **_: Any) -> None:
    _record("account_deleted", user=instance.get_username())


def _permitted(instance: Any, action: str, reverse: bool, **options: Any) -> None:
    if not _is_change(action, options):
        return
    if reverse:  # from the side of a group or a permission
        users = User.objects.filter(pk__in=options["pk_set"] or ())
    else:
        users = User.objects.filter(pk=instance.pk)
    for user in users:
        groups = list(user.groups.order_by("name").values_list("name", flat=True))
        _record("permissions_changed", user=user.get_username(), groups=groups)


def _group_saved(instance: Group, created: bool, **_: Any) -> None:
    _record("group_created" if created else "group_changed", group=instance.name)


def _group_deleted(instance: Group, **_: Any) -> None:
    _record("group_deleted", group=instance.name)


def _group_permitted(instance: Any, action: str, **options: Any) -> None:
    if _is_change(action, options) and isinstance(instance, Group):
        _record("group_changed", group=instance.name)


def _is_change(action: str, options: dict[str, Any]) -> bool:
    return action in CHANGED and (action == "post_clear" or bool(options["pk_set"]))


def _record(code: str, **params: object) -> None:
    if is_recorded():
        record(code, actor=_actor(), params=params)


def _actor() -> Actor:
    return getattr(current_request.get(), "user", None)
