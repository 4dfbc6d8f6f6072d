"""Three groups and what each may do: one table for admin, API and gateway alike."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser, Group, Permission, User

VIEW = "models_app.view_servedmodel"
ADD = "models_app.add_servedmodel"
CHANGE = "models_app.change_servedmodel"
DELETE = "models_app.delete_servedmodel"
OPERATE = "models_app.operate_servedmodel"
USE = "models_app.use_servedmodel"

_VIEWER = ("view_servedmodel", "view_run", "view_activity")
_OPERATOR = (
    *_VIEWER, "add_servedmodel", "change_servedmodel", "operate_servedmodel",
    "use_servedmodel",
)  # fmt: skip
_ADMIN = (
    *_OPERATOR, "delete_servedmodel",
    "view_apitoken", "add_apitoken", "change_apitoken", "delete_apitoken",
    "view_user", "add_user", "change_user", "delete_user", "view_group",
)  # fmt: skip
ADMIN_GROUP = "admin"
GROUPS: dict[str, tuple[str, ...]] = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    ADMIN_GROUP: _ADMIN,
}


def is_admin(user: User | AnonymousUser | None) -> bool:
    if user is None or not user.is_active:
        return False
    return user.is_superuser or user.groups.filter(name=ADMIN_GROUP).exists()


def create_groups(**_: Any) -> None:
    """After migrate: the three groups have at least these permissions."""
    for name, codenames in GROUPS.items():
        group, _created = Group.objects.get_or_create(name=name)
        group.permissions.add(
            *Permission.objects.filter(
                codename__in=codenames,
                content_type__app_label__in=("models_app", "auth"),
            )
        )
