"""Pagination and the shape of errors, shared by the whole REST API."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework import exceptions, views
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from common.disks import full_disk
from common.exceptions import AlreadyExists, Conflict, Invalid
from common.messages import render
from common.problems import UNKNOWN_FIELDS_SHOWN, Problem, shorten, wrong_type
from common.requests import with_request_id

HTML = "text/html"
MAX_DIGITS = 9

logger = logging.getLogger(__name__)

Errors = list[dict[str, Any]]


class Pagination(PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    page_size_query_description = "Results per page. More than 200 counts as 200."

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get(self.page_size_query_param)
        if text is None:
            return self.page_size
        if not (text.isascii() and text.isdigit() and int(text[:MAX_DIGITS])):
            raise Invalid([wrong_type("page_size", text, "integer greater than 0")])
        return min(int(text[:MAX_DIGITS]), self.max_page_size)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            parameter["schema"]["minimum"] = 1
        return parameters


class TooLarge(exceptions.APIException):
    status_code = 413


class DocsPermission(BasePermission):
    """Of the documentation pages and the schema."""

    def has_permission(self, request: Request, view: views.APIView) -> bool:
        return settings.DOCS_PUBLIC or bool(request.user.is_authenticated)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponseBase:
    """Render every error as {code, message, errors: [{code, field, message}]}."""
    if isinstance(error, Conflict):
        return Response(_conflict(error), status=409)
    if isinstance(error, AlreadyExists):
        return Response(_already_exists(_problems(error)), status=409)
    if isinstance(error, Invalid):
        return Response(_invalid(_problems(error)), status=400)
    if disk := full_disk(error):
        logger.error("the disk of %s is full: %s", disk, error)
        return Response(disk_full(disk), status=503)
    drf_error = _to_drf(error)
    if isinstance(drf_error, exceptions.NotAuthenticated):
        request = context["request"]
        if _is_page(request) and not settings.DOCS_PUBLIC:
            return redirect_to_login(request.get_full_path())
    response = views.exception_handler(drf_error, dict(context))
    if response is None or not isinstance(drf_error, exceptions.APIException):
        logger.error("request failed", exc_info=error)
        return Response(error_body("internal_error"), status=500)
    response.data = _body_of(drf_error)
    return response


def _is_page(request: Request) -> bool:
    """Requested by a browser, without a token."""
    renderer = getattr(request, "accepted_renderer", None)
    return request.method == "GET" and getattr(renderer, "media_type", "") == HTML


def _to_drf(error: Exception) -> Exception:
    """Convert Django's exceptions to those of the REST framework."""
    if isinstance(error, RequestDataTooBig):
        limit = {"max": settings.DATA_UPLOAD_MAX_MEMORY_SIZE}
        text = render("request_too_large", limit)
        return TooLarge(text, code="request_too_large")
    if isinstance(error, SuspiciousOperation):
        return exceptions.ParseError()
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    return error


def _body_of(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        return _invalid(list(_flatten(error.detail)))
    first = next(_flatten(error.detail))
    return body(first["code"], first["message"])


def body(code: str, message: str, errors: Errors | None = None) -> dict[str, Any]:
    return with_request_id({"code": code, "message": message, "errors": errors or []})


def _conflict(error: Conflict) -> dict[str, Any]:
    details = {k: v for k, v in error.params.items() if k in ("status", "allowed")}
    return {**body(error.code, str(error)), **details}


def _already_exists(errors: Errors) -> dict[str, Any]:
    return body(errors[0]["code"], errors[0]["message"], errors)


def error_body(code: str) -> dict[str, Any]:
    return body(code, render(code, {}))


def disk_full(path: str) -> dict[str, Any]:
    return body("disk_full", render("disk_full", {"path": path}))


def _invalid(errors: Errors) -> dict[str, Any]:
    """The first error becomes the message, for clients that show only one."""
    field, message = errors[0]["field"], errors[0]["message"]
    if field and field not in message:
        message = f"{field}: {message}"
    return body("validation_error", message, errors)


def repeated_parameters(names: list[str]) -> dict[str, Any]:
    return _invalid(
        _problems(
            Invalid(
                Problem(code="repeated_parameter", field=name, params={"key": name})
                for name in map(shorten, names[:UNKNOWN_FIELDS_SHOWN])
            )
        )
    )


def _problems(error: Invalid) -> Errors:
    return [
        {
            "code": problem.code,
            "field": problem.field,
            "message": render(problem.code, problem.params),
            "params": problem.params,
        }
        for problem in error.problems
    ]


def _flatten(detail: Any, field: str = "") -> Iterator[dict[str, Any]]:
    if isinstance(detail, exceptions.ErrorDetail):
        yield {"code": detail.code, "field": field, "message": str(detail)}
    elif isinstance(detail, dict):
        for key, value in detail.items():
            is_general = key == api_settings.NON_FIELD_ERRORS_KEY
            yield from _flatten(
                value, field if is_general else f"{field}.{key}".lstrip(".")
            )
    else:
        for item in detail:
            yield from _flatten(item, field)
