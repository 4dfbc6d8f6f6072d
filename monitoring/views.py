"""The monitoring pages of the admin, and the charts of its dashboard."""

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
from monitoring.alerts.admin.rows import SHOWN
from monitoring.alerts.admin.rows import active as active_alerts
from monitoring.alerts.permissions import VIEW_ALERTS
from monitoring.labels import LABELS

DEFAULT_METRIC = "cpu_utilization"
DEFAULT_RANGE = "24h"
CUSTOM = "custom"


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK: context of the admin index."""
    may_view = request.user.has_perm(VIEW)
    may_view_alerts = request.user.has_perm(VIEW_ALERTS)
    charts = panels.host_panels()
    return {
        **dashboard.context(request, context),
        "may_view_metrics": may_view,
        "panels": charts,
        "monitoring": panels.page_data(charts),
        "has_gpus": may_view and panels.has_gpus(),
        "may_view_alerts": may_view_alerts,
        "alerts": active_alerts(SHOWN) if may_view_alerts else [],
    }


def gpus(request: HttpRequest) -> HttpResponse:
    charts = panels.gpu_panels()
    context = {"panels": charts, "has_gpus": panels.has_gpus()}
    return _render(request, "gpus", _("GPU monitoring"), charts, context)


def models(request: HttpRequest) -> HttpResponse:
    charts = panels.model_panels()
    context = {"panels": charts, "models": panels.model_choices()}
    return _render(request, "models", _("Model monitoring"), charts, context)


def history(request: HttpRequest) -> HttpResponse:
    """The query parameters are those of the API."""
    params = request.GET
    is_custom = "start_time" in params or "end_time" in params
    times = panels.datetime_inputs(params) if is_custom else ("", "")
    context = {
        "metrics": panels.metric_choices(params.getlist("metric") or [DEFAULT_METRIC]),
        "sources": panels.source_choices(params.getlist("source")),
        "ranges": panels.range_labels(),
        "range": CUSTOM if is_custom else params.get("range", DEFAULT_RANGE),
        "times": times,
        "formats": ("csv", "json", "xlsx"),
        "monitoring": {
            **panels.page_data([]),
            "metrics": {name: str(label) for name, label in LABELS.items()},
        },
    }
    return _render(request, "history", _("History"), [], context)


def _render(
    request: HttpRequest,
    name: str,
    title: str,
    charts: list[panels.Panel],
    context: dict[str, Any],
) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": title,
        "monitoring": panels.page_data(charts),
        **context,
    }
    return TemplateResponse(request, f"monitoring/{name}.html", context)
