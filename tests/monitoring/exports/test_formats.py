import csv
import io
import json
from datetime import UTC, datetime

import pytest
from openpyxl import load_workbook

from monitoring.exports import as_csv, as_xlsx, formats, rows
from monitoring.exports.row import COLUMNS, Row
from tests.monitoring.exports.data import (
    END,
    NAMES,
    START,
    a_history,
    a_query,
    answered,
)
from tests.monitoring.history.rows import a_source

pytestmark = pytest.mark.django_db

NUMBERS = ("value", "min", "max", "samples")


def exported(format, request) -> bytes:
    selection = rows.select(request)
    return b"".join(formats.chunks(format, selection, rows.rows(selection)))


def from_csv(data: bytes):
    """Removes one leading apostrophe, as documented."""
    for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")):
        numbers = {name: float(row[name]) if row[name] else None for name in NUMBERS}
        yield {**row, **numbers, "source": row["source"].removeprefix("'")}


def from_json(data: bytes):
    return json.loads(data)["rows"]


def from_xlsx(data: bytes):
    book = load_workbook(io.BytesIO(data))
    for sheet in book.worksheets:
        lines = sheet.iter_rows(values_only=True)
        assert next(lines) == ("time (UTC)", *COLUMNS[1:])
        for line in lines:
            row = dict(zip(COLUMNS, line, strict=True))
            yield {**row, "time": row["time"].replace(tzinfo=UTC).isoformat()}


PARSERS = {"csv": from_csv, "json": from_json, "xlsx": from_xlsx}


def known(parsed) -> dict:
    return {
        (
            row["kind"],
            row["source"],
            row["metric"],
            int(datetime.fromisoformat(row["time"]).timestamp()),
        ): (row["value"], row["min"], row["max"])
        for row in parsed
        if row["value"] is not None
    }


@pytest.mark.parametrize("format", PARSERS)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_parsed_export_equals_the_query(settings, format, zone):
    settings.TIME_ZONE = zone
    a_history()
    parsed = list(PARSERS[format](exported(format, a_query())))
    expected = answered(a_query())
    assert known(parsed) == expected
    assert len(expected) > 100
    assert {row["source"] for row in parsed} == {*NAMES, "0 H200", "机器一"}
    assert any(row["value"] is None for row in parsed)


@pytest.mark.parametrize(
    "fields",
    [
        {"step": 60},
        {"step": 600, "metrics": ["gpu_power", "requests"]},
        {"aggregate": "p99", "metrics": ["response_time"]},
        {"aggregate": "sum", "metrics": ["requests", "response_time"]},
        {"sources": [("gpu", "GPU-1")]},
        {"start": START + 20, "end": END - 130},
        {"end": START + 86_400, "metrics": ["gpu_power"], "step": 10},
    ],
)
def test_rows_equal_the_query(fields):
    a_history()
    parsed = from_json(exported("json", a_query(**fields)))
    assert known(parsed) == answered(a_query(**fields))


def test_default_step_is_the_finest_available():
    a_history()
    assert rows.select(a_query(step=None)).step == 10
    assert rows.select(a_query(step=None, start=START - 5 * 86_400)).step == 60
    assert rows.select(a_query(step=None, start=START - 100 * 86_400)).step == 3600


def test_expected_rows_are_never_fewer_than_rows():
    a_history()
    selection = rows.select(a_query())
    found = list(rows.rows(selection))
    assert len(found) <= rows.count(selection) <= 2 * len(found)


def test_missing_values_are_empty_and_gaps_have_no_rows():
    a_history()
    gpu = a_query(metrics=["gpu_power", "gpu_temperature"])
    lines = list(from_csv(exported("csv", gpu)))
    assert len(lines) == 2 * 48  # of 60 steps, 12 are gaps
    empty = [row for row in lines if row["value"] is None]
    assert {row["metric"] for row in empty} == {"gpu_temperature"}
    assert b"null" in exported("json", gpu)


def test_no_text_of_a_workbook_is_a_formula_or_an_error():
    a_history()
    book = load_workbook(io.BytesIO(exported("xlsx", a_query())))
    cells = [cell for line in book.worksheets[0].iter_rows() for cell in line]
    assert {cell.data_type for cell in cells} == {"s", "inlineStr", "n", "d"}
    texts = {cell.value for cell in cells if cell.data_type in ("s", "inlineStr")}
    assert {"=1+1", "#N/A"} < texts


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@A1", "'@A1"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("smol", "smol"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_csv_has_no_formulas(name, cell):
    assert as_csv.escape_formula(name) == cell


def test_sheets_are_split_when_full(tmp_path):
    path = tmp_path / "book.xlsx"
    rows_to_write = [
        Row(n * 10, "gpu", "g", "k", "gpu_power", "watt", float(n)) for n in range(7)
    ]
    as_xlsx.write(rows_to_write, path, sheet_rows=4)
    sheets = load_workbook(path).worksheets
    assert [sheet.max_row for sheet in sheets] == [4, 4, 2]
    values = [
        line[6] for s in sheets for line in s.iter_rows(min_row=2, values_only=True)
    ]
    assert values == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("format", PARSERS)
def test_empty_export_is_a_valid_file(format):
    assert list(PARSERS[format](exported(format, a_query()))) == []


def test_illegal_characters_are_replaced():
    a_history()
    a_source("model", "99", name="bad\x00\x0bname", metrics=["requests"])
    assert exported("xlsx", a_query())


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ("smol", 'attachment; filename="metrics_model-smol_', False),
        ("模型 1/../x", 'attachment; filename="metrics_model-__-1-..-x_', True),
        ('"; rm', 'attachment; filename="metrics_model----rm_', False),
    ],
)
def test_file_name_has_source_and_time_range(name, plain, full):
    a_source("model", "1", name=name, metrics=["requests"])
    selection = rows.select(a_query(metrics=["requests"]))
    header = formats.disposition(formats.file_name("csv", selection))
    assert header.startswith(plain)
    assert ("filename*=UTF-8''metrics_model-%E6%A8%A1" in header) == full
    assert f"{datetime.fromtimestamp(START, UTC):%Y%m%dT%H%M%S}" in header
