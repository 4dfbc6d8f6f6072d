from __future__ import annotations

import io
from collections.abc import Callable

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse

View = Callable[[HttpRequest], HttpResponse]


def length_of_chunked_bodies(view: View) -> View:
    """Say how long a body is that came in chunks. Without its length the REST framework
    takes it for empty, and Django's limit of what is read into memory is not applied.
    """

    def measure(request: HttpRequest) -> HttpResponse:
        chunked = "Transfer-Encoding" in request.headers
        if chunked and isinstance(request, ASGIRequest):
            # The server has received all of it, into a temporary file.
            body = request._stream
            request.META["CONTENT_LENGTH"] = str(body.seek(0, io.SEEK_END))
            body.seek(0)
        return view(request)

    return measure
