"""Exports as answers: sent while they are made."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import StreamingHttpResponse

from monitoring.exports import formats, rows
from monitoring.exports.limits import TooManyExports, check_direct
from monitoring.exports.stream import Key, Places, Stream

PLACES = Places(each=2)


def direct(user: Key, format: str, selection: rows.Selection) -> StreamingHttpResponse:
    """Raises Invalid or TooManyExports."""
    check_direct(format, rows.count(selection))
    chunks = formats.chunks(format, selection, rows.rows(selection))
    name = formats.file_name(format, selection)
    return streamed(user, chunks, formats.CONTENT_TYPES[format], name)


def streamed(
    user: Key, chunks: Iterator[bytes], content_type: str, name: str
) -> StreamingHttpResponse:
    done = PLACES.take(user)
    if done is None:
        raise TooManyExports(PLACES.each)
    return StreamingHttpResponse(
        Stream(chunks, done),
        content_type=content_type,
        headers={
            "Content-Disposition": formats.disposition(name),
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        },
    )
