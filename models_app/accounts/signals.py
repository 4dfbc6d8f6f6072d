"""Tokens end with the password that made them possible, and with the account's use.

Django's own admin and commands change accounts, so signals are the only common place.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models.signals import post_save, pre_save

from models_app.tokens import delete_tokens_of

LOGIN = frozenset({"last_login"})


def connect() -> None:
    pre_save.connect(_remember, sender=User)
    post_save.connect(_saved, sender=User)


def _remember(
    instance: Any, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    is_known = instance.pk and update_fields != LOGIN
    instance.before = User.objects.filter(pk=instance.pk).first() if is_known else None


def _saved(instance: Any, **_: Any) -> None:
    before: User | None = instance.before
    if before is None:
        return
    is_deactivated = before.is_active and not instance.is_active
    if is_deactivated or password_changed(before, instance):
        delete_tokens_of(instance)


def password_changed(before: User, user: Any) -> bool:
    """Not by a sign-in that only renews an outdated hash: Django clears the raw
    password before it saves that."""
    renewed = user._password is None and user.has_usable_password()
    return before.password != user.password and not renewed
