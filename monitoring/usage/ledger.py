"""Add usage to the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from decimal import Decimal
from typing import NamedTuple

from django.db import connection, transaction

from monitoring.models import Watermark
from monitoring.usage.models import COST_DECIMALS, UsageRecord

HOUR_S = 3600
# SQLite takes 32,766 parameters.
ROWS_PER_STATEMENT = 500
WATERMARK = "usage_"


class Key(NamedTuple):
    hour: int
    token_id: str
    user_id: int
    model_id: int


@dataclass(slots=True, kw_only=True)
class Entry:
    """Counts as in UsageRecord. cost: in units of COST_DECIMALS decimals."""

    token_name: str
    user_name: str
    model_name: str
    requests: int = 0
    errors: int = 0
    refused: int = 0
    cancelled: int = 0
    cache_hits: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0


NAMES = ("token_name", "user_name", "model_name")
COUNTS = tuple(each.name for each in fields(Entry) if each.name not in NAMES)
COLUMNS = (*Key._fields, *NAMES, *COUNTS)
Entries = Mapping[Key, Entry]
Row = tuple[int | str | Decimal, ...]


def add_entries(target: dict[Key, Entry], entries: Entries) -> None:
    """Names are those of entries."""
    for key, entry in entries.items():
        if (known := target.get(key)) is not None:
            for name in COUNTS:
                setattr(entry, name, getattr(entry, name) + getattr(known, name))
        target[key] = entry


def write(writer: str, number: int, entries: Entries) -> None:
    """Adds to what is there. A writer numbers its batches in ascending order; a batch
    that is written again, because nobody knows whether it was committed, counts once.
    Raises DatabaseError."""
    name = f"{WATERMARK}{writer}"
    with transaction.atomic():
        if Watermark.objects.filter(name=name, at__gte=number).exists():
            return
        with connection.cursor() as cursor:
            # In the order of their keys, so that no two processes block each other
            for rows in _chunks(entries):
                cursor.execute(_statement(len(rows)), [x for row in rows for x in row])
        Watermark.objects.update_or_create(name=name, defaults={"at": number})


def _chunks(entries: Entries) -> Iterator[list[Row]]:
    keys = sorted(entries)
    for begin in range(0, len(keys), ROWS_PER_STATEMENT):
        chosen = keys[begin : begin + ROWS_PER_STATEMENT]
        yield [_row(key, entries[key]) for key in chosen]


def _row(key: Key, entry: Entry) -> Row:
    *values, cost = astuple(entry)
    return *key, *values, Decimal(cost).scaleb(-COST_DECIMALS)


def _statement(rows: int) -> str:
    table = UsageRecord._meta.db_table
    row = f"({_joined('%s' for _ in COLUMNS)})"
    names = (f"{name} = excluded.{name}" for name in NAMES)
    sums = (f"{name} = {table}.{name} + excluded.{name}" for name in COUNTS)
    updates = _joined([*names, *sums])
    values = _joined([row] * rows)
    return (
        f"INSERT INTO {table} ({_joined(COLUMNS)}) VALUES {values}"  # noqa: S608
        f" ON CONFLICT ({_joined(Key._fields)}) DO UPDATE SET {updates}"
    )


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)
