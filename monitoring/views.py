"""The pages with charts, in the admin's frame."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from models_app.admin import dashboard
from models_app.permissions import VIEW
from monitoring import panels
from monitoring.labels import LABELS

FIRST_METRIC = "cpu_utilization"
FIRST_RANGE = "24h"
CUSTOM = "custom"


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK: the first page of the admin."""
    may_view = request.user.has_perm(VIEW)
    shown = panels.host_panels()
    return {
        **dashboard.context(request, context),
        "may_view_metrics": may_view,
        "panels": shown,
        "monitoring": panels.page_data(shown),
        "has_gpus": may_view and panels.has_gpus(),
    }


def gpus(request: HttpRequest) -> HttpResponse:
    shown = panels.gpu_panels()
    found = {"panels": shown, "has_gpus": panels.has_gpus()}
    return _page(request, "gpus", _("GPU monitoring"), shown, found)


def models(request: HttpRequest) -> HttpResponse:
    shown = panels.model_panels()
    found = {"panels": shown, "models": panels.models_to_choose()}
    return _page(request, "models", _("Model monitoring"), shown, found)


def history(request: HttpRequest) -> HttpResponse:
    """The address holds what is asked for, in the words of the API."""
    told = request.GET
    is_custom = "start_time" in told or "end_time" in told
    times = panels.times_to_show(told) if is_custom else ("", "")
    context = {
        "metrics": panels.metrics_to_choose(told.getlist("metric") or [FIRST_METRIC]),
        "sources": panels.sources_to_choose(told.getlist("source")),
        "kinds": panels.kind_words(),
        "ranges": panels.range_words(),
        "range": CUSTOM if is_custom else told.get("range", FIRST_RANGE),
        "times": times,
        "formats": ("csv", "json", "xlsx"),
        "monitoring": {
            **panels.page_data([]),
            "metrics": {name: str(words) for name, words in LABELS.items()},
        },
    }
    return _page(request, "history", _("History"), [], context)


def _page(
    request: HttpRequest,
    name: str,
    title: str,
    charts: list[panels.Panel],
    context: dict[str, Any],
) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    shown = {
        **admin.site.each_context(request),
        "title": title,
        "monitoring": panels.page_data(charts),
        **context,
    }
    return TemplateResponse(request, f"monitoring/{name}.html", shown)
