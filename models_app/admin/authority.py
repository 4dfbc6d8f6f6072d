"""Nobody gains more than they have: whom and what an administrator may touch.

A superuser may do all. Anybody else manages only people, and grants only groups, that
hold nothing beyond their own permissions. Read from the tables, not from has_perm():
that says "nothing" of a deactivated account, which could then be taken over.
"""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db.models import Q, QuerySet


def manageable_users(actor: User | AnonymousUser) -> QuerySet[User]:
    users = User.objects.all()
    if actor.is_superuser:
        return users
    more = _beyond(actor)
    with_more = Q(user_permissions__in=more) | Q(groups__permissions__in=more)
    return users.filter(is_superuser=False).exclude(
        pk__in=User.objects.filter(with_more).values("pk")
    )


def grantable_groups(actor: User | AnonymousUser) -> QuerySet[Group]:
    groups = Group.objects.all()
    if actor.is_superuser:
        return groups
    return groups.exclude(
        pk__in=Group.objects.filter(permissions__in=_beyond(actor)).values("pk")
    )


def _beyond(actor: User | AnonymousUser) -> QuerySet[Permission]:
    own = Q(user=actor.pk) | Q(group__user=actor.pk)
    return Permission.objects.exclude(pk__in=Permission.objects.filter(own))
