"""Export responses, streamed while they are generated."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import StreamingHttpResponse
from rest_framework.request import Request

from monitoring.exports import formats, rows
from monitoring.exports.limits import TooManyExports, check_direct
from monitoring.exports.stream import Stream, StreamLimit

STREAM_LIMIT = StreamLimit(per_user=2)


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
    """HEAD only checks that GET would succeed: otherwise the server would generate the
    whole body and discard it."""
    if request.method == "HEAD":
        chunks = iter(())
    done = STREAM_LIMIT.acquire(request.user.pk)
    if done is None:
        raise TooManyExports(STREAM_LIMIT.per_user)
    return StreamingHttpResponse(
        Stream(chunks, done),
        content_type=content_type,
        headers={
            "Content-Disposition": formats.disposition(name),
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        },
    )
