"""HTML fragments that static/js/live.js requests again and again."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from models_app.admin import cells
from models_app.admin.operations import may_operate
from models_app.admin.panel import panel_of
from models_app.models import ServedModel
from models_app.permissions import VIEW

PAGES = "admin/models_app/servedmodel"
MAX_ROWS = 100
LONGEST_ID = 18  # digits that a database's integer takes


def live_rows(request: HttpRequest) -> HttpResponse:
    """?ids=1,2: the cells of the model list that change by themselves."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    ids = [int(part) for part in request.GET.get("ids", "").split(",") if _is_id(part)]
    models = cells.with_rows(ServedModel.objects.filter(pk__in=ids[:MAX_ROWS]))
    shown = [cells.state, cells.replicas]
    if may_operate(request):
        shown.append(cells.operations)
    rows = [cell(model) for model in models for cell in shown]
    return render(request, f"{PAGES}/live_rows.html", {"rows": rows})


def live_panel(request: HttpRequest, model_id: int) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    model = get_object_or_404(ServedModel, pk=model_id)
    context = {"panel": panel_of(model, request)}
    return render(request, f"{PAGES}/live_panel.html", context)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_ID
