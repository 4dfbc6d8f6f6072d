"""CSV as spreadsheets read it: RFC 4180, UTF-8 with a byte order mark (without it Excel
takes Chinese names for another encoding), empty for what is not known."""

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

# A cell that begins with one of these is a formula to some spreadsheet, the wide ones
# to those of East Asia. The apostrophe is among them so that it can be taken off again.
FORMULA = tuple("=+-@\t\r\n'＝＋－＠")


def chunks(rows: Iterable[Row]) -> Iterator[bytes]:
    yield BYTE_ORDER_MARK.encode() + _lines([COLUMNS])
    rows = iter(rows)
    while page := list(islice(rows, CHUNK_ROWS)):
        yield _lines(map(_cells, page))


def _lines(cells: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(cells)
    return text.getvalue().encode(errors="replace")


def _cells(row: Row) -> tuple[object, ...]:
    """Units and metrics are words of ours; names and keys are anybody's."""
    time, kind, source, key, *rest = row
    return iso(time), kind, harmless(source), harmless(key), *rest


@lru_cache(maxsize=1024)
def harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
