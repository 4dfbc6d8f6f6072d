"""Middleware for chunked request bodies."""

from __future__ import annotations

import io
from collections.abc import Callable

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse

View = Callable[[HttpRequest], HttpResponse]


def set_length_of_chunked_bodies(view: View) -> View:
    """Set the length of chunked bodies. Without it, the REST framework treats a body as
    empty, and Django does not apply its limit on what is read into memory.
    """

    def measure(request: HttpRequest) -> HttpResponse:
        chunked = "Transfer-Encoding" in request.headers
        if chunked and isinstance(request, ASGIRequest):
            # The server has already stored the body in a temporary file.
            body = request._stream
            request.META["CONTENT_LENGTH"] = str(body.seek(0, io.SEEK_END))
            body.seek(0)
        return view(request)

    return measure
