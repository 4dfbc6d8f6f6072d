"""Admin of decisions; it also routes to the pages of the scheduler."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy

from models_app.admin.base import ReadOnlyAdmin, short_time
from models_app.admin.filters import ModelFilter
from models_app.permissions import VIEW
from scheduling.models import Decision
from scheduling.views import lower_n_ctx, queue, raise_priority


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("time", "kind", "model_name", "priority", "what")
    list_display_links = None
    list_filter = ("kind", ("model", ModelFilter))
    search_fields = ("^model_name", "=code")
    search_help_text = gettext_lazy("Searches the start of model names, and codes")
    ordering = ("-pk",)
    fields = ("time", "kind", "model_name", "priority", "what")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)

    @admin.display(description=gettext_lazy("time"))
    def time(self, decision: Decision) -> str:
        return short_time(decision.at)

    @admin.display(description=gettext_lazy("event"))
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
