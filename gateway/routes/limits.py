"""Load the limits of callers and models. Part of loading the routing table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.contrib.auth.models import User

from gateway.limits.rules import Limit
from models_app.limits import models as rows

FIGURES = (
    "requests_per_minute", "tokens_per_minute", "tokens_per_day", "tokens_per_month",
    "max_in_flight",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRows:
    """By primary key. groups: those of a user that have a limit."""

    tokens: dict[object, Limit]
    users: dict[int, Limit]
    of_model: dict[int, tuple[Limit, ...]]
    groups: dict[int, list[Limit]]

    def of_token(self, token: object, user: int) -> tuple[Limit, ...]:
        found = [self.tokens.get(token), self.users.get(user)]
        own = [limit for limit in found if limit is not None]
        return (*own, *self.groups.get(user, ()))


def load_limits() -> LimitRows:
    """Two queries. A row that limits nothing, but sets a priority, is left out."""
    by_group: dict[int, Limit] = {}
    tokens: dict[object, Limit] = {}
    users: dict[int, Limit] = {}
    of_model: dict[int, tuple[Limit, ...]] = {}
    for row in rows.Limit.objects.all():
        figures = {name: getattr(row, name) for name in FIGURES}
        if not any(figures.values()):
            continue
        limit = Limit(key=str(row.pk), subject=row.subject, **figures)
        if row.token_id is not None:
            tokens[row.token_id] = limit
        elif row.user_id is not None:
            users[row.user_id] = limit
        elif row.group_id is not None:
            by_group[row.group_id] = limit
        elif row.model_id is not None:
            of_model[row.model_id] = (limit,)
    members: dict[int, list[Limit]] = defaultdict(list)
    memberships = User.groups.through.objects.filter(group__limit__isnull=False)
    for user, group in memberships.values_list("user_id", "group_id"):
        if group in by_group:
            members[user].append(by_group[group])
    return LimitRows(tokens=tokens, users=users, of_model=of_model, groups=members)
