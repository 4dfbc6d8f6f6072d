"""The audit trail, to read."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from models_app.admin.base import ReadOnlyAdmin, log_link, short_time
from models_app.models import Activity


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin):
    list_display = ("time", "model_name", "what", "actor_name", "to_log")
    list_display_links = None
    list_filter = ("model",)
    search_fields = ("^model_name", "^actor_name", "=code")
    search_help_text = _("Beginning of a model or user name, or a code")
    ordering = ("-pk",)
    fields = ("time", "model_name", "what", "actor_name")

    @admin.display(description=_("time"))
    def time(self, activity: Activity) -> str:
        return short_time(activity.at)

    @admin.display(description=_("what"))
    def what(self, activity: Activity) -> str:
        return activity.message

    @admin.display(description=_("log"))
    def to_log(self, activity: Activity) -> str:
        if activity.run_id is None or activity.code != "run_ended":
            return ""
        return log_link(activity.run_id)
