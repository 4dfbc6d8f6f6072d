"""Monitoring pages in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path

from models_app.admin.base import ReadOnlyAdmin
from monitoring import views
from monitoring.alerts import admin as alerts_admin  # noqa: F401 -- registers its pages
from monitoring.logs import views as log_views
from monitoring.models import Source
from monitoring.usage.views import usage


@admin.register(Source)
class SourceAdmin(ReadOnlyAdmin):
    """Registers the URLs of the monitoring pages; sources have no page of their own."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("gpus/", view(views.gpus), name="monitoring_gpus"),
            path("models/", view(views.models), name="monitoring_models"),
            path("history/", view(views.history), name="monitoring_history"),
            path("usage/", view(usage), name="monitoring_usage"),
            path("logs/<int:model_id>/", view(log_views.log), name="monitoring_log"),
            path(
                "runs/<int:run_id>/", view(log_views.run_log), name="monitoring_run_log"
            ),
        ]
