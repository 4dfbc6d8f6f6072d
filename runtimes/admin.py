"""Machines and their GPUs: read what sensors wrote, take GPUs out of service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.messages import render
from models_app.admin.base import ReadOnlyAdmin, short_time
from models_app.admin.operations import may_operate
from models_app.permissions import VIEW
from runtimes.enums import GpuMode
from runtimes.installations.views import cancel_pull, engine_page, pull_image
from runtimes.library import views as library
from runtimes.machine.maintenance import mark_healthy, set_mode
from runtimes.models import Gpu, Node

BulkAction = Callable[[Any, HttpRequest, "QuerySet[Gpu]"], None]


class MachineryAdmin(ReadOnlyAdmin):
    """Shown to whoever may view models: it is what those run on."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(VIEW)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW)


def to_mode(mode: GpuMode, label: Any) -> BulkAction:
    """Bulk action that puts the selected GPUs into the mode."""

    def selected(_: Any, request: HttpRequest, queryset: QuerySet[Gpu]) -> None:
        for gpu in queryset:
            set_mode(gpu, mode, request.user)
            messages.success(request, render(f"gpu_mode_{mode}", {"gpu": str(gpu)}))

    selected.__name__ = f"{mode}_selected"
    return admin.action(permissions=["operate"], description=label)(selected)


@admin.register(Gpu)
class GpuAdmin(MachineryAdmin):
    list_display = (
        "index", "node", "name", "mode", "health", "memory_mib", "free_mib", "present",
        "uuid",
    )  # fmt: skip
    list_display_links = ("name",)
    list_filter = ("mode", "present", "lost", "node")
    list_select_related = ("node",)
    search_fields = ("^node__name", "^uuid")
    search_help_text = _("Searches the start of machine names and GPU UUIDs")
    ordering = ("node", "index")
    fields = (
        "uuid", "node", "index", "name", "mode", "health", "unhealthy_since",
        "memory_mib", "free_mib", "present",
    )  # fmt: skip
    actions = (
        to_mode(GpuMode.OPEN, _("Open: accept models")),
        to_mode(
            GpuMode.EXCLUDED, _("Exclude: accept no new models, keep running ones")
        ),
        to_mode(GpuMode.DRAINED, _("Drain: move its models elsewhere")),
        "healthy_selected",
    )

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return may_operate(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Gpu]:
        rows: QuerySet[Gpu] = super().get_queryset(request)
        return rows.select_related("node")

    @admin.display(description=_("health"))
    def health(self, gpu: Gpu) -> str:
        return gpu.reason["message"] if gpu.reason else gettext("Healthy")

    @admin.action(permissions=["operate"], description=_("Mark as healthy"))
    def healthy_selected(self, request: HttpRequest, queryset: QuerySet[Gpu]) -> None:
        for gpu in queryset:
            params = {"gpu": str(gpu)}
            if mark_healthy(gpu, request.user):
                messages.success(request, render("gpu_is_healthy", params))
            else:
                text = gettext("GPU %(gpu)s was not marked as unhealthy.") % params
                messages.info(request, text)


@admin.register(Node)
class NodeAdmin(MachineryAdmin):
    list_display = ("name", "cpu_cores", "memory_mib", "gpu_count", "seen")
    search_fields = ("^name",)
    ordering = ("name",)
    fields = ("name", "cpu_cores", "memory_mib", "gpu_count", "seen")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        rows: QuerySet[Node] = super().get_queryset(request)
        return rows.prefetch_related("gpus")

    @admin.display(description=_("GPUs"))
    def gpu_count(self, node: Node) -> int:
        return len(node.gpus.all())

    @admin.display(description=_("last seen"))
    def seen(self, node: Node) -> str:
        return short_time(node.seen_at)

    def get_urls(self) -> list[URLPattern]:
        inside, name = self.admin_site.admin_view, "runtimes_library"
        own = [
            path("engines/", inside(engine_page), name="runtimes_engines"),
            path("engines/pull/", inside(pull_image), name="runtimes_image_pull"),
            path(
                "engines/pull/<slug:uid>/cancel/",
                inside(cancel_pull),
                name="runtimes_image_cancel",
            ),
            path("library/", inside(library.library_page), name=name),
            path("library/add/", inside(library.add), name=f"{name}_add"),
            path("library/scan/", inside(library.rescan), name=f"{name}_scan"),
        ]
        return own + list(super().get_urls())
