"""The queue, what machines have, and what was decided."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from common.exceptions import PlatformError
from common.messages import render
from models_app.admin.base import ReadOnlyAdmin, short_time
from models_app.admin.operations import may_operate
from models_app.catalogue import update_model
from models_app.models import ServedModel
from models_app.permissions import CHANGE, VIEW
from scheduling.contexts import lower_context
from scheduling.models import Decision
from scheduling.outlook import machines_now, queue_now
from scheduling.planner.queue import Waiting
from scheduling.serializers import help_words

DECISIONS = 20
TOP_PRIORITY = 10


def queue(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": _("Queue"),
        "queue": [_row(waiting, request) for waiting in queue_now()],
        "machines": machines_now(),
        "decisions": Decision.objects.order_by("-pk")[:DECISIONS],
    }
    return TemplateResponse(request, "scheduling/queue.html", context)


def _row(waiting: Waiting, request: HttpRequest) -> dict[str, Any]:
    """helps: those that this person may carry out, with words and parameters."""
    changes = request.user.has_perm(CHANGE)
    may = {"stop": may_operate(request), "priority": changes, "n_ctx": changes}
    return {
        "waiting": waiting,
        "since": datetime.fromtimestamp(waiting.model.waiting_since, UTC),
        "reason": render(waiting.reason.code, waiting.reason.params),
        "helps": [
            {"action": h.action, "params": h.params, "words": help_words(h)}
            for h in waiting.helps
            if may[h.action]
        ],
    }


@require_POST
def raise_priority(request: HttpRequest, model_id: int, to: int) -> HttpResponse:
    """Only ever upwards: a page that is out of date must not lower it."""
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    if not 1 <= to <= TOP_PRIORITY:
        raise Http404
    model = get_object_or_404(ServedModel, pk=model_id)
    try:
        if model.priority < to:
            update_model(model, {"priority": to}, request.user)
    except PlatformError as error:
        messages.error(request, str(error))
    else:
        done = _("%(model)s has priority %(priority)s now.")
        told = {"model": model.name, "priority": model.priority}
        messages.success(request, done % told)
    return redirect("admin:scheduling_queue")


@require_POST
def lower_n_ctx(request: HttpRequest, model_id: int, to: int) -> HttpResponse:
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied
    model = get_object_or_404(ServedModel, pk=model_id)
    try:
        lower_context(model, to, request.user)
    except PlatformError as error:
        messages.error(request, str(error))
    else:
        done = _("%(model)s has n_ctx %(n_ctx)s now.")
        told = {"model": model.name, "n_ctx": model.config.get("n_ctx")}
        messages.success(request, done % told)
    return redirect("admin:scheduling_queue")


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("time", "kind", "model_name", "priority", "what")
    list_display_links = None
    list_filter = ("kind", "model")
    search_fields = ("^model_name", "=code")
    search_help_text = gettext_lazy("Start of a model's name, or a code")
    ordering = ("-pk",)
    fields = ("time", "kind", "model_name", "priority", "what")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)

    @admin.display(description=gettext_lazy("time"))
    def time(self, decision: Decision) -> str:
        return short_time(decision.at)

    @admin.display(description=gettext_lazy("what"))
    def what(self, decision: Decision) -> str:
        return decision.message

    def get_urls(self) -> list[URLPattern]:
        inside = self.admin_site.admin_view
        own = [
            path("queue/", inside(queue), name="scheduling_queue"),
            path(
                "queue/<int:model_id>/priority/<int:to>/",
                inside(raise_priority),
                name="scheduling_raise_priority",
            ),
            path(
                "queue/<int:model_id>/n_ctx/<int:to>/",
                inside(lower_n_ctx),
                name="scheduling_lower_n_ctx",
            ),
        ]
        return own + list(super().get_urls())
