"""Usage by time and subject, from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Case, F, IntegerField, Max, Q, QuerySet, Sum, Value, When

from models_app.models import ApiToken, ServedModel
from monitoring.exports.times import iso
from monitoring.usage.ledger import COUNTS, HOUR_S
from monitoring.usage.models import UsageRecord
from monitoring.usage.params import SUBJECTS, UsageQuery
from monitoring.usage.permissions import sees_everybody

DAY_S = 24 * HOUR_S
COST_SHOWN = 6  # decimals
SUMS = {name: Sum(name, default=0) for name in COUNTS}
# Table, id and name of each subject, as far as it exists
PRESENT: Mapping[str, tuple[Any, str, str]] = {
    "token": (ApiToken, "token_key", "name"),
    "user": (User, "pk", "username"),
    "model": (ServedModel, "pk", "name"),
}

Row = dict[str, Any]
Records = QuerySet[UsageRecord]


def select(query: UsageQuery, user: Any) -> Records:
    """Of those that the user may see."""
    records = UsageRecord.objects.filter(hour__gte=query.start, hour__lt=query.end)
    if not sees_everybody(user):
        records = records.filter(user_id=user.pk)
    for subject, texts in query.subjects.items():
        records = records.filter(_any_of(subject, texts))
    return records


def grouped(query: UsageQuery, records: Records) -> Any:
    """A queryset of rows for shown(): oldest first, then those with most tokens."""
    keys = [f"{name}_id" if name in SUBJECTS else name for name in query.groups]
    names = {
        f"{name}_label": Max(f"{name}_name")
        for name in query.groups
        if name in SUBJECTS
    }
    if "day" in query.groups:
        records = records.annotate(day=_day(query))
    times = [name for name in keys if name in ("hour", "day")]
    rows = records.values(*keys).annotate(**SUMS, **names)
    tokens = F("prompt_tokens") + F("completion_tokens")
    return rows.order_by(*sorted(times), tokens.desc(), *keys)


def totals(records: Records) -> Row:
    return _numbers(records.aggregate(**SUMS))


def shown(rows: Iterable[Row], groups: Iterable[str]) -> Iterator[Row]:
    """As the API has them. Names are the present ones, as far as they exist."""
    rows, groups = list(rows), list(groups)
    names = {name: _names(name, rows) for name in groups if name in SUBJECTS}
    for row in rows:
        yield {
            **{name: _key(name, row, names) for name in groups},
            **_numbers(row),
        }


def _key(name: str, row: Row, names: Mapping[str, Mapping[Any, str]]) -> Any:
    if name == "hour":
        return iso(row["hour"])
    if name == "day":
        return datetime.fromtimestamp(row["day"], UTC).date().isoformat()
    id = row[f"{name}_id"]
    return {"id": id, "name": names[name].get(id, row[f"{name}_label"])}


def _names(subject: str, rows: list[Row]) -> dict[Any, str]:
    model, id, name = PRESENT[subject]
    ids = {row[f"{subject}_id"] for row in rows}
    return dict(model.objects.filter(**{f"{id}__in": ids}).values_list(id, name))


def _numbers(row: Row) -> Row:
    counts = {name: int(row[name]) for name in COUNTS if name != "cost"}
    tokens = counts["prompt_tokens"] + counts["completion_tokens"]
    cost = round(float(row["cost"]), COST_SHOWN)
    return {**counts, "total_tokens": tokens, "cost": cost}


def _any_of(subject: str, texts: Sequence[str]) -> Q:
    """By id or name, the present one or that of the time of use."""
    model, id, name = PRESENT[subject]
    ids: list[Any] = list(texts)
    if subject != "token":
        ids = [int(text[:18]) for text in texts if text.isascii() and text.isdigit()]
    named = model.objects.filter(**{f"{name}__in": texts}).values(id)
    return (
        Q(**{f"{subject}_id__in": ids})
        | Q(**{f"{subject}_name__in": texts})
        | Q(**{f"{subject}_id__in": named})
    )


def _day(query: UsageQuery) -> Any:
    """Midnight of the server's time zone, as if that were UTC: where the clock changes,
    the hours of a day have different offsets."""
    *changes, (_, last) = _offsets(query)
    offset = Case(
        *(When(hour__lt=until, then=Value(offset)) for until, offset in changes),
        default=Value(last),
        output_field=IntegerField(),
    )
    local = F("hour") + offset
    return local - local % DAY_S


def _offsets(query: UsageQuery) -> list[tuple[int, int]]:
    """Offsets from UTC, each with the hour at which it ends."""
    zone = ZoneInfo(settings.TIME_ZONE)
    found: list[tuple[int, int]] = []
    for hour in range(query.start, query.end, HOUR_S):
        offset = datetime.fromtimestamp(hour, zone).utcoffset()
        seconds = int(offset.total_seconds()) if offset else 0
        if found and found[-1][1] == seconds:
            found.pop()
        found.append((hour + HOUR_S, seconds))
    return found
