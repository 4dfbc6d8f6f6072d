"""Error handlers outside the API's views: JSON under /api, plain pages elsewhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from common.messages import render
from common.problems import shorten
from llmplatform.api import error_body


class UnknownPath(APIView):
    """Answers every /api path that has no view."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound(render("no_such_path", {"value": shorten(request.path_info)}))


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith("/api"):
        return JsonResponse(error_body("internal_error"), status=500)
    return defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path_info.startswith("/api"):
        return JsonResponse(error_body("bad_request"), status=400)
    return defaults.bad_request(request, exception)
