"""JSON: the query's parameters and a list of rows; null for unknown values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from monitoring.exports.row import Row
from monitoring.exports.times import iso

CONTENT_TYPE = "application/json"
CHUNK_ROWS = 1000

encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def chunks(rows: Iterable[Row], about: Mapping[str, object]) -> Iterator[bytes]:
    return document(about, map(_object, rows))


def document(
    about: Mapping[str, object], rows: Iterable[Mapping[str, object]]
) -> Iterator[bytes]:
    yield f'{encode(dict(about))[:-1]},"rows":['.encode(errors="replace")
    rows = iter(rows)
    comma = "\n"
    while page := list(islice(rows, CHUNK_ROWS)):
        text = ",\n".join(encode(row) for row in page)
        yield f"{comma}{text}".encode(errors="replace")
        comma = ",\n"
    yield b"]}\n"


def _object(row: Row) -> dict[str, object]:
    data: dict[str, object] = row._asdict()
    data["time"] = iso(row.time)
    for name in ("value", "min", "max"):
        number = getattr(row, name)
        # JSON has neither infinity nor NaN.
        if number is not None and not math.isfinite(number):
            data[name] = None
    return data
