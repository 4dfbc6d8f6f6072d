"""Runs, to read. The engine's key and handle are shown nowhere."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from common.messages import advise
from models_app.admin.base import ReadOnlyAdmin, log_link, short_time
from models_app.admin.filters import ModelFilter
from models_app.admin.panel import log_lines
from models_app.models import Run
from models_app.templatetags.platform_labels import LABEL, label


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = (
        "short_uid", "model", "replica", "state_label", "to_log", "node", "created",
        "ready", "ended", "why",
    )  # fmt: skip
    list_filter = ("state", ("model", ModelFilter))
    search_fields = ("^model__name", "^uid")
    search_help_text = _("Searches the start of model names and run UIDs")
    list_select_related = ("model",)
    ordering = ("-pk",)
    fieldsets = (
        (
            _("Overview"),
            {
                "fields": (
                    "uid", "state_label", "model", "replica", "node", "port",
                    "cpu_cores", "memory_mib", "gpus", "created", "ready", "ended",
                    "why", "what_to_do", "exit_code", "exit_signal",
                )
            },
        ),
        (_("Configuration"), {"fields": (("framework", "driver"), "config")}),
        (_("Log"), {"fields": ("log",)}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        queryset: QuerySet[Run] = super().get_queryset(request)
        return queryset.defer("engine_key", "handle", "log_tail", "config")

    @admin.display(description=_("run"))
    def short_uid(self, run: Run) -> str:
        return run.uid[:8]

    @admin.display(description=_("state"))
    def state_label(self, run: Run) -> SafeString:
        return render_to_string(LABEL, label(run.state, run.get_state_display()))

    @admin.display(description=_("GPUs"))
    def gpus(self, run: Run) -> str:
        return ", ".join(run.gpu_uuids)

    @admin.display(description=_("created"))
    def created(self, run: Run) -> str:
        return short_time(run.created_at)

    @admin.display(description=_("ready since"))
    def ready(self, run: Run) -> str:
        return short_time(run.ready_at)

    @admin.display(description=_("ended"))
    def ended(self, run: Run) -> str:
        return short_time(run.ended_at)

    @admin.display(description=_("end reason"))
    def why(self, run: Run) -> str:
        return run.end_reason

    @admin.display(description=_("advice"))
    def what_to_do(self, run: Run) -> str:
        return advise(run.end_code, run.end_params)

    @admin.display(description=_("log"))
    def to_log(self, run: Run) -> SafeString:
        return log_link(run.pk)

    @admin.display(description=_("log tail"))
    def log(self, run: Run) -> SafeString:
        return render_to_string(
            "admin/models_app/run/log.html", {"log": log_lines(run)}
        )
