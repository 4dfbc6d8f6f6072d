"""Middleware for chunked request bodies and repeated query parameters."""

from __future__ import annotations

import io
from collections.abc import Callable

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse

from llmplatform.api import repeated_parameters
from monitoring.history.params import REPEATABLE

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


def reject_repeated_parameters(view: View) -> View:
    """Of which the API would use only one."""

    def check(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/"):
            repeated = [name for name, values in request.GET.lists() if values[1:]]
            if single := [name for name in repeated if name not in REPEATABLE]:
                return JsonResponse(repeated_parameters(single), status=400)
        return view(request)

    return check
