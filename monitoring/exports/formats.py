"""One name for each format, and what it takes to write it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from django.conf import settings

from common.exceptions import Invalid
from common.problems import Problem, shown
from monitoring.exports import as_csv, as_json, as_xlsx
from monitoring.exports.row import Row
from monitoring.exports.rows import Selection
from monitoring.exports.times import moment

CONTENT_TYPES = {
    "csv": as_csv.CONTENT_TYPE,
    "json": as_json.CONTENT_TYPE,
    "xlsx": as_xlsx.CONTENT_TYPE,
}
FORMATS = list(CONTENT_TYPES)
CHUNK_BYTES = 256 * 1024
UNSAFE = str.maketrans(dict.fromkeys('/\\:*?"<>|\r\n\t\0;% ', "-"))
NAME_CHARS = 40


def check_format(word: str) -> str:
    """Raises Invalid."""
    if word not in FORMATS:
        params = {"value": shown(word), "allowed": FORMATS}
        raise Invalid([Problem(code="unknown_format", field="format", params=params)])
    return word


def folder() -> Path:
    path: Path = settings.DATA_DIR / "exports"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def chunks(format: str, selection: Selection, rows: Iterator[Row]) -> Iterator[bytes]:
    if format == "csv":
        yield from as_csv.chunks(rows)
    elif format == "json":
        yield from as_json.chunks(rows, selection.about)
    else:
        with tempfile.TemporaryDirectory(dir=folder()) as place:
            path = Path(place) / "book"
            as_xlsx.write(rows, path)
            yield from file_chunks(path)


def file_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def file_name(format: str, selection: Selection) -> str:
    """metrics_<what>_<start>_<end>; what: kind and name of the source, if it is one."""
    query = selection.query
    begin, end = _stamp(query.start), _stamp(query.end)
    return f"metrics_{_what(selection)}_{begin}_{end}.{format}"


def _what(selection: Selection) -> str:
    sources = [source for source, _ in selection.metrics]
    kinds = {source.kind for source in sources}
    what = kinds.pop() if len(kinds) == 1 else "all"
    if len(sources) == 1:
        what = f"{what}-{sources[0].name}"
    return what.translate(UNSAFE)[:NAME_CHARS]


def _stamp(seconds: int) -> str:
    return f"{moment(seconds):%Y%m%dT%H%M%S}"


def disposition(name: str) -> str:
    """RFC 6266: plain ASCII for old clients, the whole name for all others."""
    plain = "".join(char if char.isascii() else "_" for char in name)
    text = f'attachment; filename="{plain}"'
    return text if plain == name else f"{text}; filename*=UTF-8''{quote(name, safe='')}"
