"""The audit trail, to read."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from models_app.admin.base import ReadOnlyAdmin, log_link, short_time
from models_app.admin.jobs import change_job, job_list
from models_app.models import Activity


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin):
    list_display = ("time", "model_name", "what", "actor_name", "to_log")
    list_display_links = None
    list_filter = ("model",)
    search_fields = ("^model_name", "^actor_name", "=code")
    search_help_text = _("Searches the start of model and user names, and codes")
    ordering = ("-pk",)
    fields = ("time", "model_name", "what", "actor_name")

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
