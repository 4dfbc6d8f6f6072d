"""Usage as a file. Columns are the same in all formats."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet

from monitoring.exports import as_csv, as_json, as_xlsx, formats
from monitoring.exports.times import iso, moment
from monitoring.usage.ledger import COUNTS
from monitoring.usage.models import UsageRecord
from monitoring.usage.params import SUBJECTS, UsageQuery
from monitoring.usage.query import Row, shown

PAGE_ROWS = 10_000
NUMBERS = (*(name for name in COUNTS if name != "cost"), "total_tokens", "cost")
WIDTH = 24

Grouped = QuerySet[UsageRecord, Row]


def chunks(format: str, query: UsageQuery, rows: Grouped) -> Iterator[bytes]:
    found = _flat(query, rows)
    names = columns(query)
    if format == "csv":
        yield from as_csv.table(names, map(_csv_cells, found))
    elif format == "json":
        yield from as_json.document(about(query), found)
    else:
        letters = "ABCDEFGH"[: len(names) - len(NUMBERS)]
        table = as_xlsx.Table("usage", names, dict.fromkeys(letters, WIDTH))
        with tempfile.TemporaryDirectory(dir=formats.folder()) as folder:
            path = Path(folder) / "book"
            as_xlsx.write_table(table, (row.values() for row in found), path)
            yield from formats.file_chunks(path)


def columns(query: UsageQuery) -> list[str]:
    keys = (
        (f"{name}_id", name) if name in SUBJECTS else (name,) for name in query.groups
    )
    return [*(name for pair in keys for name in pair), *NUMBERS, "currency"]


def about(query: UsageQuery) -> dict[str, object]:
    return {
        "start": iso(query.start),
        "end": iso(query.end),
        "group_by": list(query.groups),
    }


def file_name(format: str, query: UsageQuery) -> str:
    begin, end = (f"{moment(at):%Y%m%dT%H%M%S}" for at in (query.start, query.end))
    return f"usage_{begin}_{end}.{format}"


def _flat(query: UsageQuery, rows: Grouped) -> Iterator[Row]:
    """In pages: a slow client must not hold a transaction."""
    begin = 0
    while page := list(rows[begin : begin + PAGE_ROWS]):
        begin += PAGE_ROWS
        for row in shown(page, query.groups):
            flat: Row = {}
            for name, value in row.items():
                if name in SUBJECTS:
                    flat[f"{name}_id"] = value["id"]
                    value = value["name"]
                flat[name] = value
            yield {**flat, "currency": settings.CURRENCY}


def _csv_cells(row: Row) -> Iterator[object]:
    for value in row.values():
        yield as_csv.escape_formula(value) if isinstance(value, str) else value
