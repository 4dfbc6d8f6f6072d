"""The audit trail, to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from models_app.activity import VIEW_USERS, visible_to
from models_app.admin.base import ReadOnlyAdmin, log_link, short_time
from models_app.admin.filters import ModelFilter
from models_app.admin.jobs import change_job, job_list
from models_app.models import Activity


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin):
    list_display = ("time", "model_name", "what", "actor_name", "address", "to_log")
    list_display_links = None
    list_filter = (("model", ModelFilter),)
    search_fields = ("^model_name", "^actor_name", "=code", "=address")
    search_help_text = _(
        "Searches the start of model and user names, codes and addresses"
    )
    ordering = ("-pk",)
    fields = ("time", "model_name", "what", "actor_name", "address")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Activity]:
        return visible_to(request.user)

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return self._without_address(request, self.list_display)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self._without_address(request, self.fields)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return self._without_address(request, self.search_fields)

    def _without_address(
        self, request: HttpRequest, names: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Addresses are for those who may view users."""
        if request.user.has_perm(VIEW_USERS):
            return names
        return tuple(name for name in names if "address" not in name)

    @admin.display(description=_("time"))
    def time(self, activity: Activity) -> str:
        return short_time(activity.at)

    @admin.display(description=_("event"))
    def what(self, activity: Activity) -> str:
        return activity.message

    def get_urls(self) -> list[URLPattern]:
        """The page of jobs has no table of its own, so it hangs below this one."""
        inside = self.admin_site.admin_view
        own = [
            path("jobs/", inside(job_list), name="models_app_jobs"),
            path(
                "jobs/<slug:kind>/<slug:uid>/<slug:verb>/",
                inside(change_job),
                name="models_app_job_change",
            ),
        ]
        return own + list(super().get_urls())

    @admin.display(description=_("log"))
    def to_log(self, activity: Activity) -> str:
        if activity.run_id is None or activity.code != "run_ended":
            return ""
        return log_link(activity.run_id)
