"""CSV for spreadsheets: RFC 4180, empty cells for unknown values.

UTF-8 with a byte order mark, without which Excel misreads Chinese names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

from monitoring.exports.row import COLUMNS, Row
from monitoring.exports.times import iso

CONTENT_TYPE = "text/csv; charset=utf-8"
BYTE_ORDER_MARK = "\ufeff"
CHUNK_ROWS = 1000

# Spreadsheets read cells that start with one of these as formulas; East Asian ones also
# the full-width forms. The apostrophe is included so that escaping is reversible.
FORMULA = tuple("=+-@\t\r\n'＝＋－＠")


def chunks(rows: Iterable[Row]) -> Iterator[bytes]:
    return table(COLUMNS, map(_cells, rows))


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """rows: cells; texts of users are escaped already."""
    yield BYTE_ORDER_MARK.encode() + _lines([columns])
    rows = iter(rows)
    while page := list(islice(rows, CHUNK_ROWS)):
        yield _lines(page)


def _lines(cells: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(cells)
    return text.getvalue().encode(errors="replace")


def _cells(row: Row) -> tuple[object, ...]:
    """Escapes names and keys, which users control; units and metrics are ours."""
    time, kind, source, key, *rest = row
    return iso(time), kind, escape_formula(source), escape_formula(key), *rest


@lru_cache(maxsize=1024)
def escape_formula(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
