"""Error handlers outside the API's views: JSON for programs, plain pages for people."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from common.disks import full_disk
from common.messages import render
from common.problems import shorten
from gateway.urls import suggest
from llmplatform.api import body, disk_full, error_body

logger = logging.getLogger(__name__)

PLAIN_TEXT = "text/plain; charset=utf-8"


class UnknownPath(APIView):
    """Answers every /api path that has no view."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        params = {
            "value": shorten(request.path_info),
            "nearest": suggest(request.path_info),
        }
        raise NotFound(render("no_such_path", params))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if wants_json(request):
        params = {
            "value": shorten(request.path_info),
            "nearest": suggest(request.path_info),
        }
        error = body("no_such_path", render("no_such_path", params))
        return JsonResponse(error, status=404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls it while it handles the exception."""
    if disk := full_disk(sys.exc_info()[1]):
        return _disk_full(request, disk)
    if wants_json(request):
        return JsonResponse(error_body("internal_error"), status=500)
    return defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    is_too_large = isinstance(exception, RequestDataTooBig)
    if is_too_large or wants_json(request):
        params = {"max": settings.DATA_UPLOAD_MAX_MEMORY_SIZE}
        code = "request_too_large" if is_too_large else "bad_request"
        error = body(code, render(code, params))
        return JsonResponse(error, status=413 if is_too_large else 400)
    return defaults.bad_request(request, exception)


def wants_json(request: HttpRequest) -> bool:
    """Everything on the API port, and what is meant for the API on the other."""
    return (
        request.path_info.startswith("/api")
        or request.META.get("SERVER_PORT") == str(settings.API_PORT)
        or not request.accepts("text/html")
    )


def _no_such_path(path: str) -> str:
    return render("no_such_path", {"value": shorten(path), "nearest": suggest(path)})


def _disk_full(request: HttpRequest, disk: str) -> HttpResponse:
    logger.error("the disk of %s is full", disk)
    error = disk_full(disk)
    if wants_json(request):
        return JsonResponse(error, status=503)
    return HttpResponse(error["message"], status=503, content_type=PLAIN_TEXT)
