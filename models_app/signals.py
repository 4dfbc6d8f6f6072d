"""Other processes reload permissions when users, groups or sessions change.

Django's own admin and commands change these rows, so signals are the only common place.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone

from common import broker

LOGIN = frozenset({"last_login"})
CHANGED = frozenset({"post_add", "post_remove", "post_clear"})


def connect() -> None:
    post_save.connect(_saved, sender=User)
    post_delete.connect(_deleted, sender=User)
    post_delete.connect(_deleted, sender=Group)
    post_delete.connect(_logged_out, sender=Session)
    m2m_changed.connect(_regrouped, sender=User.groups.through)
    m2m_changed.connect(_regrouped, sender=User.user_permissions.through)


def _saved(update_fields: frozenset[str] | None = None, **_: Any) -> None:
    if update_fields != LOGIN:
        broker.publish_change_on_commit()


def _deleted(**_: Any) -> None:
    broker.publish_change_on_commit()


def _logged_out(instance: Session, **_: Any) -> None:
    """Django's user_logged_out comes before the session is deleted. Expired
    sessions, deleted by the thousand, had no access any more."""
    if instance.expire_date > timezone.now():
        broker.publish_change_on_commit()


def _regrouped(action: str, **_: Any) -> None:
    if action in CHANGED:
        broker.publish_change_on_commit()
