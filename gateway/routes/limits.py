"""Load the limits of callers and models. Part of loading the routing table."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.contrib.auth.models import User

from gateway.limits.rules import Limit
from gateway.routes.used import Subject
from models_app.limits import models as rows

FIGURES = (
    "requests_per_minute", "tokens_per_minute", "tokens_per_day", "tokens_per_month",
    "max_in_flight", "queue_length",
)  # fmt: skip


PRIORITY = 5
WEIGHT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRows:
    """By primary key. groups: those of a user that have a limit."""

    tokens: dict[object, Limit]
    users: dict[int, Limit]
    of_model: dict[int, tuple[Limit, ...]]
    groups: dict[int, list[Limit]]
    turns: dict[tuple[str, object], tuple[int | None, int | None]]
    members: dict[int, list[int]]
    subjects: list[Subject]

    def turn_of(self, token: object, user: int) -> tuple[int, int]:
        """Priority and weight: the token's, else the user's, else the highest of the
        groups'."""
        own = [("token", token), ("user", user)]
        teams = [("group", group) for group in self.members.get(user, ())]
        priorities, weights = (
            [self.turns.get(key, (None, None))[n] for key in own] for n in (0, 1)
        )
        of_teams = [self.turns.get(key, (None, None)) for key in teams]
        priorities.append(max((p for p, _ in of_teams if p), default=PRIORITY))
        weights.append(max((w for _, w in of_teams if w), default=WEIGHT))
        return next(filter(None, priorities)), next(filter(None, weights))

    def of_token(self, token: object, user: int) -> tuple[Limit, ...]:
        found = [self.tokens.get(token), self.users.get(user)]
        own = [limit for limit in found if limit is not None]
        return (*own, *self.groups.get(user, ()))


def load_limits() -> LimitRows:
    """Two queries."""
    by_group: dict[int, Limit] = {}
    turns: dict[tuple[str, object], tuple[int | None, int | None]] = {}
    tokens: dict[object, Limit] = {}
    users: dict[int, Limit] = {}
    of_model: dict[int, tuple[Limit, ...]] = {}
    subjects: list[Subject] = []
    for row in rows.Limit.objects.select_related("token"):
        turns[row.subject, getattr(row, f"{row.subject}_id")] = row.priority, row.weight
        figures = {name: getattr(row, name) for name in FIGURES}
        if row.queue_wait_s:
            figures["queue_wait_s"] = row.queue_wait_s
        if not any(figures.values()):
            continue
        limit = Limit(key=str(row.pk), subject=row.subject, **figures)
        subjects.append(Subject(limit, _identity(row)))
        if row.token_id is not None:
            tokens[row.token_id] = limit
        elif row.user_id is not None:
            users[row.user_id] = limit
        elif row.group_id is not None:
            by_group[row.group_id] = limit
        elif row.model_id is not None:
            of_model[row.model_id] = (limit,)
    groups: dict[int, list[Limit]] = defaultdict(list)
    members: dict[int, list[int]] = defaultdict(list)
    memberships = User.groups.through.objects.filter(group__limit__isnull=False)
    for user, group in memberships.values_list("user_id", "group_id"):
        members[user].append(group)
        if group in by_group:
            groups[user].append(by_group[group])
    return LimitRows(
        tokens=tokens, users=users, of_model=of_model, groups=groups, turns=turns,
        members=members, subjects=subjects,
    )  # fmt: skip


def _identity(row: rows.Limit) -> object:
    """As in the ledger."""
    return row.token.token_key if row.token else getattr(row, f"{row.subject}_id")
