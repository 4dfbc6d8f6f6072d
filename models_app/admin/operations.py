"""Start, stop and restart from the admin: always POST, always through the verbs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common.exceptions import PlatformError
from common.messages import render
from models_app.activity import Actor
from models_app.admin.base import return_url
from models_app.approvals import approve_all
from models_app.enums import Operation
from models_app.lifecycle import request_all
from models_app.models import ServedModel
from models_app.permissions import APPROVE, OPERATE

VERBS = (Operation.START, Operation.STOP, Operation.RESTART)
# Messages of one request
SHOWN = 20
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
    _operate(request, [model], Operation(operation))
    return redirect(_return_url(request, model))


@require_POST
def approve_settings(request: HttpRequest, model_id: int) -> HttpResponse:
    if not may_approve(request):
        raise PermissionDenied
    model = get_object_or_404(ServedModel, pk=model_id)
    _approve(request, [model])
    return redirect(_return_url(request, model))


@admin.action(
    permissions=["approve"], description=_("Approve administrators' settings")
)
def approve_selected(
    _: Any, request: HttpRequest, queryset: QuerySet[ServedModel]
) -> None:
    _approve(request, list(queryset.prefetch_related(None)))


def _approve(request: HttpRequest, models: Sequence[ServedModel]) -> None:
    refused = approve_all(models, _actor(request))
    text = gettext("The settings of %(model)s were approved.")
    _report(request, models, refused, lambda model: text % {"model": model.name})


def bulk(operation: Operation) -> BulkAction:
    """The same for all selected rows."""

    def selected(_: Any, request: HttpRequest, queryset: QuerySet[ServedModel]) -> None:
        _operate(request, list(queryset.prefetch_related(None)), operation)

    selected.__name__ = f"{operation}_selected"
    action = admin.action(permissions=["operate"], description=operation.label)
    return action(selected)


def _operate(
    request: HttpRequest, models: Sequence[ServedModel], operation: Operation
) -> None:
    refused = request_all(models, operation, _actor(request))
    code = f"{operation}_requested"
    _report(request, models, refused, lambda model: render(code, {"model": model.name}))


def _report(
    request: HttpRequest,
    models: Sequence[ServedModel],
    refused: Mapping[int, PlatformError],
    done: Callable[[ServedModel], str],
) -> None:
    """A message for each model, of which there may be thousands; then those that were
    refused come first. done: what to show for the others."""
    if len(models) > SHOWN:
        models = sorted(models, key=lambda model: model.pk not in refused)
    for model in models[:SHOWN]:
        if error := refused.get(model.pk):
            messages.error(request, str(error))
        else:
            messages.success(request, done(model))
    rest = Counter(model.pk in refused for model in models[SHOWN:])
    if rest[False]:
        text = gettext("Also requested or approved for %(count)s more models.")
        messages.success(request, text % {"count": rest[False]})
    if rest[True]:
        text = gettext("Not possible for %(count)s more models.")
        messages.error(request, text % {"count": rest[True]})


def _actor(request: HttpRequest) -> Actor:
    return request.user


def _return_url(request: HttpRequest, model: ServedModel) -> str:
    """The list with its filters, or the model's page."""
    page = reverse("admin:models_app_servedmodel_change", args=[model.pk])
    return return_url(request, page)
