"""Excel workbooks: real dates and numbers, text that is never read as a formula, and
as many sheets as needed.

Written to a file, because a workbook is only complete at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from monitoring.exports.row import COLUMNS, Row

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Excel's limit per sheet, including the header
SHEET_ROWS = 1_048_576
TIME = "time (UTC)"  # Excel's dates have no zone
WIDTHS = {"A": 20, "C": 24, "D": 24, "E": 28}


def write(rows: Iterable[Row], path: Path, sheet_rows: int = SHEET_ROWS) -> None:
    cells = ((_time(row.time), *row[1:]) for row in rows)
    table = Table("metrics", (TIME, *COLUMNS[1:]), WIDTHS)
    write_table(table, cells, path, sheet_rows)


@dataclass(frozen=True, slots=True)
class Table:
    """title: of its sheets, which are numbered. widths: by the letter of a column."""

    title: str
    columns: Sequence[str]
    widths: Mapping[str, float]


def write_table(
    table: Table,
    rows: Iterable[Iterable[object]],
    path: Path,
    sheet_rows: int = SHEET_ROWS,
) -> None:
    book = Workbook(write_only=True)
    rows = iter(rows)
    first = next(rows, None)
    _write_sheet(book, table, [] if first is None else chain([first], rows), sheet_rows)
    while (first := next(rows, None)) is not None:
        _write_sheet(book, table, chain([first], rows), sheet_rows)
    book.save(path)


def _write_sheet(
    book: Workbook, table: Table, rows: Iterable[Iterable[object]], sheet_rows: int
) -> None:
    sheet: Any = book.create_sheet(f"{table.title} {len(book.worksheets) + 1}")
    sheet.freeze_panes = "A2"
    for column, width in table.widths.items():
        sheet.column_dimensions[column].width = width
    sheet.append(list(table.columns))
    for row in islice(rows, sheet_rows - 1):
        sheet.append([_cell(value, sheet) for value in row])


def _cell(value: object, sheet: WriteOnlyWorksheet) -> Any:
    return _text(value, sheet) if isinstance(value, str) else value


@lru_cache(maxsize=1024)
def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _text(text: str, sheet: WriteOnlyWorksheet) -> Any:
    """openpyxl reads a leading = as a formula and #N/A as an error, unless the cell has
    an explicit type. It modifies the cells it is given, so each is used once."""
    text = _allowed(text)
    if not text.startswith(("=", "#")):
        return text
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    return cell


@lru_cache(maxsize=1024)
def _allowed(text: str) -> str:
    return str(ILLEGAL_CHARACTERS_RE.sub("\ufffd", text))
