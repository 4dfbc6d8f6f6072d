"""What limits of the day and of the month have counted already, from the ledger.

The broker keeps nothing on disk; and a new limit counts what was used before it, in its
first day and month.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, Q, Sum
from django.utils.timezone import get_default_timezone

from gateway.limits.rules import Limit, Windows, begin_of_day, begin_of_month
from gateway.routes.table import Number, Used
from monitoring.usage.ledger import HOUR_S
from monitoring.usage.models import UsageRecord

TOKENS = F("prompt_tokens") + F("completion_tokens")
PERIODS = ("tokens_per_day", "tokens_per_month")


@dataclass(frozen=True, slots=True)
class Subject:
    """identity: the part of a token that is shown, else a primary key."""

    limit: Limit
    identity: object

    def numbers(self) -> Iterator[Number]:
        for name in PERIODS:
            if getattr(self.limit, name) is not None:
                yield self.limit.key, name


def load_used(
    subjects: Iterable[Subject],
    groups_of: Mapping[int, Sequence[int]],
    counted: Collection[Number],
) -> dict[Number, Used]:
    """groups_of: by user. counted: numbers that are left out. At most one query. The
    ledger has hours of UTC: where a day begins within one, that hour counts."""
    new = [
        (number, subject)
        for subject in subjects
        for number in subject.numbers()
        if number not in counted
    ]
    if not new:
        return {}
    now, zone = time.time(), get_default_timezone()
    totals = _totals(begin_of_day(now, zone), begin_of_month(now, zone), groups_of)
    windows = Windows(zone).at(now)
    used = {}
    for (key, name), subject in new:
        tokens = totals[subject.limit.subject, subject.identity]
        suffix, ends = windows[name]
        used[key, name] = Used(f"{key}:{suffix}", tokens[PERIODS.index(name)], ends)
    return used


def _totals(
    day: float, month: float, groups_of: Mapping[int, Sequence[int]]
) -> Mapping[tuple[str, object], tuple[int, int]]:
    """By kind and identity of the subject: of the day, and of the month."""
    totals: dict[tuple[str, object], tuple[int, int]] = defaultdict(lambda: (0, 0))
    records = UsageRecord.objects.filter(hour__gt=month - HOUR_S)
    of_today = Q(hour__gt=day - HOUR_S)
    rows = records.values_list("token_id", "user_id", "model_id").annotate(
        of_day=Sum(TOKENS, filter=of_today, default=0), of_month=Sum(TOKENS)
    )
    for token, user, model, of_day, of_month in rows.iterator():
        groups = [("group", group) for group in groups_of.get(user, ())]
        for key in (("token", token), ("user", user), ("model", model), *groups):
            before = totals[key]
            totals[key] = before[0] + of_day, before[1] + of_month
    return totals
