"""Who may do what: three groups, for admin, API and gateway alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db.models import Q, QuerySet
from rest_framework.permissions import BasePermission, DjangoModelPermissions

from models_app.accounts.recording import unrecorded

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

VIEW = "models_app.view_servedmodel"
ADD = "models_app.add_servedmodel"
CHANGE = "models_app.change_servedmodel"
DELETE = "models_app.delete_servedmodel"
OPERATE = "models_app.operate_servedmodel"
APPROVE = "models_app.approve_servedmodel"
USE = "models_app.use_servedmodel"

_VIEWER = (
    "view_servedmodel",
    "view_run",
    "view_activity",
    "view_modelalias",
    "view_aliastarget",
)
_OPERATOR = (
    *_VIEWER, "add_servedmodel", "change_servedmodel", "operate_servedmodel",
    "use_servedmodel", "add_modelalias", "change_modelalias", "delete_modelalias",
    "add_aliastarget", "change_aliastarget", "delete_aliastarget",
)  # fmt: skip
_ADMIN = (
    *_OPERATOR, "delete_servedmodel", "approve_servedmodel",
    "view_apitoken", "add_apitoken", "change_apitoken", "delete_apitoken",
    "view_limit", "add_limit", "change_limit", "delete_limit",
)  # fmt: skip
_ACCOUNTS = ("view_user", "add_user", "change_user", "delete_user", "view_group")
ADMIN_GROUP = "admin"
# Codenames by group and by app; other apps add theirs, see grant().
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "viewer": {"models_app": _VIEWER},
    "operator": {"models_app": _OPERATOR},
    ADMIN_GROUP: {"models_app": _ADMIN, "auth": _ACCOUNTS},
}
# Permission that an action of the API needs; any other action needs VIEW
BY_ACTION = {
    "create": ADD,
    "update": CHANGE,
    "partial_update": CHANGE,
    "destroy": DELETE,
    "start": OPERATE,
    "stop": OPERATE,
    "restart": OPERATE,
    "approve": APPROVE,
    "preview": ADD,
    "scan_again": ADD,
    "preflight": ADD,
    "estimate": ADD,
}


class ModelPermissions(BasePermission):
    """Permission by the view's action; what only reads needs to view."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not user.is_authenticated:
            return False
        action = getattr(view, "action", None)
        if request.method == "OPTIONS" or action is None:
            return user.has_perm(VIEW)
        return user.has_perm(BY_ACTION.get(action, VIEW))


class RowPermissions(DjangoModelPermissions):
    """As in the admin: view, add, change and delete rows of the view's model."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
        "OPTIONS": ["%(app_label)s.view_%(model_name)s"],
    }


def is_admin(user: User | AnonymousUser | None) -> bool:
    if user is None or not user.is_active:
        return False
    return user.is_superuser or user.groups.filter(name=ADMIN_GROUP).exists()


def grant(app: str, codenames: Mapping[str, tuple[str, ...]]) -> None:
    """What the groups may do in a higher app, by group. Its AppConfig.ready() calls
    this, and create_groups() after each migrate of the app."""
    for group, names in codenames.items():
        GROUPS[group][app] = names


def create_groups(**_: Any) -> None:
    """After migrate: the three groups have at least these permissions."""
    with unrecorded():
        for name, apps in GROUPS.items():
            group, _created = Group.objects.get_or_create(name=name)
            wanted = Q()
            for app, codenames in apps.items():
                wanted |= Q(content_type__app_label=app, codename__in=codenames)
            group.permissions.add(*Permission.objects.filter(wanted))


def manageable_users(actor: User | AnonymousUser) -> QuerySet[User]:
    """Nobody gains more than they have: except for superusers, administrators manage
    only users, and grant only groups, without permissions beyond their own."""
    users = User.objects.all()
    if actor.is_superuser:
        return users
    more = _permissions_beyond(actor)
    with_more = Q(user_permissions__in=more) | Q(groups__permissions__in=more)
    return users.filter(is_superuser=False).exclude(
        pk__in=User.objects.filter(with_more).values("pk")
    )


def grantable_groups(actor: User | AnonymousUser) -> QuerySet[Group]:
    groups = Group.objects.all()
    if actor.is_superuser:
        return groups
    return groups.exclude(
        pk__in=Group.objects.filter(permissions__in=_permissions_beyond(actor)).values(
            "pk"
        )
    )


def _permissions_beyond(actor: User | AnonymousUser) -> QuerySet[Permission]:
    """Read from the tables: has_perm() denies everything to a deactivated account,
    which could then be taken over."""
    own = Q(user=actor.pk) | Q(group__user=actor.pk)
    return Permission.objects.exclude(pk__in=Permission.objects.filter(own))
