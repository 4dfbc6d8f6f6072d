"""List and page of served models."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from models_app.admin import cells
from models_app.admin.base import LIVE_SCRIPT
from models_app.admin.deletion import DeletesStopped, delete_selected
from models_app.admin.filters import FrameworkFilter, TagFilter
from models_app.admin.live import MAX_ROWS, PAGES, live_panel, live_rows
from models_app.admin.operations import (
    approve_selected,
    approve_settings,
    bulk,
    may_approve,
    may_operate,
    operate,
)
from models_app.admin.panel import panel_of
from models_app.editing import create_model, update_model
from models_app.enums import Operation
from models_app.forms import ServedModelForm, initial_config
from models_app.models import ServedModel


@admin.register(ServedModel)
class ServedModelAdmin(DeletesStopped):
    form = ServedModelForm
    fieldsets = (
        (
            _("Basic information"),
            {"fields": ("name", "display_name", "description", "tags", "aliases")},
        ),
        (_("Framework configuration"), {"fields": ("framework", "driver", "config")}),
        (
            _("Resources"),
            {
                "fields": (
                    "gpu_count", "gpu_memory_mib", "cpu_cores", "memory_mib",
                    "priority", "preemptible", "preempts", "placement", "replicas",
                )
            },
        ),
        (_("Response cache"), {"fields": ("cache_ttl_s",)}),
        (
            _("Prices"),
            {"fields": ("input_price", "cached_input_price", "output_price")},
        ),
    )  # fmt: skip
    # Said while saving, and nowhere kept.
    saving = ((None, {"fields": ("force",)}),)
    list_display = (
        "title", "state", "replicas_ready", "framework", "priority", "gpus",
        "tag_names", "updated", "operations",
    )  # fmt: skip
    list_filter = ("status", FrameworkFilter, TagFilter)
    list_per_page = MAX_ROWS
    search_fields = ("name", "display_name", "description", "tags__name")
    list_before_template = f"{PAGES}/list_live.html"
    change_form_outer_before_template = f"{PAGES}/panel.html"
    actions = (
        bulk(Operation.START),
        bulk(Operation.STOP),
        bulk(Operation.RESTART),
        approve_selected,
        delete_selected,
    )

    class Media:
        js = (LIVE_SCRIPT,)

    # Who may do what

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return may_operate(request)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return may_approve(request)

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        columns = self.list_display
        return columns if may_operate(request) else columns[:-1]

    def get_readonly_fields(
        self, request: HttpRequest, obj: ServedModel | None = None
    ) -> tuple[str, ...]:
        fixed = obj and Operation.RENAME not in obj.allowed_operations()
        return ("name",) if fixed else ()

    def get_fieldsets(
        self, request: HttpRequest, obj: ServedModel | None = None
    ) -> Any:
        changes = obj is None or self.has_change_permission(request, obj)
        return (*self.fieldsets, *self.saving) if changes else self.fieldsets

    # Rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServedModel]:
        return cells.with_rows(super().get_queryset(request))

    @admin.display(description=_("model"), ordering="name")
    def title(self, model: ServedModel) -> SafeString:
        return cells.title(model)

    @admin.display(description=_("status"), ordering="status")
    def state(self, model: ServedModel) -> SafeString:
        return cells.state(model)

    @admin.display(description=_("replicas"))
    def replicas_ready(self, model: ServedModel) -> SafeString:
        return cells.replicas(model)

    @admin.display(description=_("GPUs"), ordering="gpu_count")
    def gpus(self, model: ServedModel) -> int:
        return model.gpu_count

    @admin.display(description=_("tags"))
    def tag_names(self, model: ServedModel) -> str:
        return ", ".join(sorted(tag.name for tag in model.tags.all()))

    @admin.display(description=_("updated"), ordering="updated_at")
    def updated(self, model: ServedModel) -> str:
        return date_format(localtime(model.updated_at), "m-d H:i")

    @admin.display(description=_("operations"))
    def operations(self, model: ServedModel) -> SafeString:
        return cells.operations(model)

    # Saving

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fields from the query string; the configuration as JSON."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        initial["config"] = initial_config(initial.get("config", "{}"))
        return initial

    def get_form(
        self, request: HttpRequest, obj: ServedModel | None = None, **kwargs: Any
    ) -> type[ServedModelForm]:
        form: type[ServedModelForm] = super().get_form(request, obj, **kwargs)
        return type(form.__name__, (form,), {"actor": request.user})

    def save_model(
        self,
        request: HttpRequest,
        obj: ServedModel,
        form: ServedModelForm,
        change: bool,
    ) -> None:
        if change:
            # Fields left alone may have been changed by others in the meantime.
            saved = set(form.changed_data) & set(form.cleaned_data)
            changes = {name: form.cleaned_data[name] for name in saved}
            update_model(obj, changes, request.user)
        else:
            obj.pk = create_model(form.cleaned_data, request.user).pk

    def save_related(self, *args: Any, **kwargs: Any) -> None:
        """Tags are saved by the verbs."""

    # Pages

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {**(extra_context or {}), **self._panel(request, object_id)}
        page: HttpResponse = super().change_view(request, object_id, form_url, context)
        return page

    def _panel(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        model = self.get_object(request, object_id)
        if model is None or not self.has_view_permission(request, model):
            return {}
        return {"panel": panel_of(model, request)}

    def get_urls(self) -> list[URLPattern]:
        inside, name = self.admin_site.admin_view, "models_app_servedmodel"
        own = [
            path("live/", inside(live_rows), name=f"{name}_live_rows"),
            path("<int:model_id>/live/", inside(live_panel), name=f"{name}_live_panel"),
            path(
                "<int:model_id>/approve/",
                inside(approve_settings),
                name=f"{name}_approve",
            ),
            path(
                "<int:model_id>/<slug:operation>/now/",
                inside(operate),
                name=f"{name}_operate",
            ),
        ]
        return own + list(super().get_urls())
