"""Start, stop and restart from the admin: always POST, always through the verbs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common.exceptions import Conflict
from common.messages import render
from models_app.activity import Actor
from models_app.approvals import approve
from models_app.enums import Operation
from models_app.lifecycle import request_restart, request_start, request_stop
from models_app.models import ServedModel
from models_app.permissions import APPROVE, OPERATE

VERBS: dict[Operation, Callable[[ServedModel, Actor], ServedModel]] = {
    Operation.START: request_start,
    Operation.STOP: request_stop,
    Operation.RESTART: request_restart,
}
# Messages of one request
SHOWN = 20
Outcome = tuple[int, str]  # level and text
BulkAction = Callable[[Any, HttpRequest, "QuerySet[ServedModel]"], None]


def may_approve(request: HttpRequest) -> bool:
    return request.user.has_perm(APPROVE)


def may_operate(request: HttpRequest) -> bool:
    return request.user.has_perm(OPERATE)


def buttons(model: ServedModel) -> list[Operation]:
    """The operations that the status allows, in the order of VERBS."""
    allowed = model.allowed_operations()
    return [operation for operation in VERBS if operation in allowed]


@require_POST
def operate(request: HttpRequest, model_id: int, operation: str) -> HttpResponse:
    if not may_operate(request):
        raise PermissionDenied
    if operation not in VERBS:
        raise Http404
    model = get_object_or_404(ServedModel, pk=model_id)
    _report(request, [_operate(request, model, Operation(operation))])
    return redirect(_return_url(request, model))


@require_POST
def approve_settings(request: HttpRequest, model_id: int) -> HttpResponse:
    if not may_approve(request):
        raise PermissionDenied
    model = get_object_or_404(ServedModel, pk=model_id)
    _report(request, [_approve(request, model)])
    return redirect(_return_url(request, model))


@admin.action(
    permissions=["approve"], description=_("Approve administrators' settings")
)
def approve_selected(
    _: Any, request: HttpRequest, queryset: QuerySet[ServedModel]
) -> None:
    _report(request, [_approve(request, model) for model in queryset])


def _approve(request: HttpRequest, model: ServedModel) -> Outcome:
    try:
        approve(model, _actor(request))
    except Conflict as conflict:
        return messages.ERROR, str(conflict)
    text = gettext("The settings of %(model)s were approved.")
    return messages.SUCCESS, text % {"model": model.name}


def bulk(operation: Operation) -> BulkAction:
    """The same for all selected rows."""

    def selected(_: Any, request: HttpRequest, queryset: QuerySet[ServedModel]) -> None:
        _report(request, [_operate(request, model, operation) for model in queryset])

    selected.__name__ = f"{operation}_selected"
    action = admin.action(permissions=["operate"], description=operation.label)
    return action(selected)


def _operate(request: HttpRequest, model: ServedModel, operation: Operation) -> Outcome:
    try:
        VERBS[operation](model, _actor(request))
    except Conflict as conflict:
        return messages.ERROR, str(conflict)
    return messages.SUCCESS, render(f"{operation}_requested", {"model": model.name})


def _report(request: HttpRequest, outcomes: Sequence[Outcome]) -> None:
    """A message for each model, of which there may be thousands."""
    for level, text in outcomes[:SHOWN]:
        messages.add_message(request, level, text)
    rest = Counter(level for level, _ in outcomes[SHOWN:])
    if done := rest[messages.SUCCESS]:
        text = gettext("Also requested or approved for %(count)s more models.")
        messages.success(request, text % {"count": done})
    if refused := rest[messages.ERROR]:
        text = gettext("Not possible for %(count)s more models.")
        messages.error(request, text % {"count": refused})


def _actor(request: HttpRequest) -> Actor:
    return request.user


def _return_url(request: HttpRequest, model: ServedModel) -> str:
    """The list with its filters, or the model's page."""
    page = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(
        page, {request.get_host()}, require_https=request.is_secure()
    ):
        return page
    return reverse("admin:models_app_servedmodel_change", args=[model.pk])
