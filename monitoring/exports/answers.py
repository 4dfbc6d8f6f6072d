"""Exports as answers: sent while they are made."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import StreamingHttpResponse
from rest_framework.request import Request

from monitoring.exports import formats, rows
from monitoring.exports.limits import TooManyExports, check_direct
from monitoring.exports.stream import Places, Stream

PLACES = Places(each=2)


def direct(
    request: Request, format: str, selection: rows.Selection
) -> StreamingHttpResponse:
    """Raises Invalid or TooManyExports."""
    check_direct(format, rows.count(selection))
    chunks = formats.chunks(format, selection, rows.rows(selection))
    name = formats.file_name(format, selection)
    return streamed(request, chunks, formats.CONTENT_TYPES[format], name)


def streamed(
    request: Request, chunks: Iterator[bytes], content_type: str, name: str
) -> StreamingHttpResponse:
    """HEAD says whether GET would be answered; servers would have all of it made, and
    throw it away."""
    if request.method == "HEAD":
        chunks = iter(())
    done = PLACES.take(request.user.pk)
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
