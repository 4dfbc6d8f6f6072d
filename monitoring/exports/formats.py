"""Export formats, and file names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from django.conf import settings

from common.exceptions import Invalid
from common.problems import Problem, shorten
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


def check_format(name: str) -> str:
    """Raises Invalid."""
    if name not in FORMATS:
        params = {"value": shorten(name), "allowed": FORMATS}
        raise Invalid([Problem(code="unknown_format", field="format", params=params)])
    return name


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
        with tempfile.TemporaryDirectory(dir=folder()) as temporary:
            path = Path(temporary) / "book"
            as_xlsx.write(rows, path)
            yield from file_chunks(path)


def file_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def file_name(format: str, selection: Selection) -> str:
    """metrics_<subject>_<start>_<end>; subject: kind and name of a single source."""
    query = selection.query
    begin, end = _stamp(query.start), _stamp(query.end)
    return f"metrics_{_subject(selection)}_{begin}_{end}.{format}"


def _subject(selection: Selection) -> str:
    sources = [source for source, _ in selection.metrics]
    kinds = {source.kind for source in sources}
    subject = kinds.pop() if len(kinds) == 1 else "all"
    if len(sources) == 1:
        subject = f"{subject}-{sources[0].name}"
    return subject.translate(UNSAFE)[:NAME_CHARS]


def _stamp(seconds: int) -> str:
    return f"{moment(seconds):%Y%m%dT%H%M%S}"


def disposition(name: str) -> str:
    """RFC 6266: ASCII for old clients, the full name for all others."""
    plain = "".join(char if char.isascii() else "_" for char in name)
    text = f'attachment; filename="{plain}"'
    return text if plain == name else f"{text}; filename*=UTF-8''{quote(name, safe='')}"
