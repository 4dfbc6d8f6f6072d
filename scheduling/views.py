"""Pages of the scheduler: queue with suggestions, machines, latest decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from common.exceptions import PlatformError
from common.messages import render
from models_app.admin.operations import may_operate
from models_app.editing import update_model
from models_app.models import ServedModel
from models_app.permissions import CHANGE, VIEW
from scheduling.context_sizes import lower_context
from scheduling.models import Decision
from scheduling.planner.queue import QueueEntry
from scheduling.queries import current_machines, current_queue
from scheduling.serializers import suggestion_text

DECISIONS = 20
WAITING = 100  # the page is sent again every few seconds
TOP_PRIORITY = 10


def queue(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    entries = current_queue()
    context = {
        **admin.site.each_context(request),
        "title": _("Queue"),
        "queue": [_row(waiting, request) for waiting in entries[:WAITING]],
        "more": len(entries[WAITING:]),
        "machines": current_machines(),
        "decisions": Decision.objects.order_by("-pk")[:DECISIONS],
    }
    return TemplateResponse(request, "scheduling/queue.html", context)


def _row(waiting: QueueEntry, request: HttpRequest) -> dict[str, Any]:
    """suggestions: only those that this user may apply."""
    may_change = request.user.has_perm(CHANGE)
    may = {"stop": may_operate(request), "priority": may_change, "n_ctx": may_change}
    return {
        "waiting": waiting,
        "since": datetime.fromtimestamp(waiting.model.waiting_since, UTC),
        "reason": render(waiting.reason.code, waiting.reason.params),
        "suggestions": [
            {"action": s.action, "params": s.params, "text": suggestion_text(s)}
            for s in waiting.suggestions
            if may[s.action]
        ],
    }


@require_POST
def raise_priority(request: HttpRequest, model_id: int, to: int) -> HttpResponse:
    """Never lowers the priority, which an outdated page could otherwise do."""
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
        done = _("%(model)s now has priority %(priority)s.")
        params = {"model": model.name, "priority": model.priority}
        messages.success(request, done % params)
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
        done = _("%(model)s now has a %(tokens)s tokens of context.")
        messages.success(request, done % {"model": model.name, "tokens": to})
    return redirect("admin:scheduling_queue")
