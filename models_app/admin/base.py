"""Base classes and helpers of the admin pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_q.admin  # noqa: F401 -- registers what is taken off below
from django.contrib import admin, messages
from django.forms import Script
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override
from django_q.models import Failure, Schedule, Success
from taggit.models import Tag
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from common.exceptions import PlatformError

LIVE_SCRIPT = Script("js/live.js", type="module")
COPY_SCRIPT = Script("js/copy.js", type="module")

# Internal models that nobody configures
admin.site.unregister([Failure, Schedule, Success, Tag])
admin.site.index_title = _("Dashboard")


class PlatformAdmin(ModelAdmin):  # type: ignore[misc]
    list_fullwidth = True
    compressed_fields = True
    show_add_link = False  # lists have a button with a label instead

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Django stores capitalised labels, which no catalogue of messages knows, and
        translates them when it shows the change."""
        changes: Any = super().construct_change_message(request, form, formsets, add)
        with override(None):
            for change in changes:
                if fields := change.get("changed", {}).get("fields"):
                    fields[:] = self._verbose_names(form, fields)
        return changes

    def _verbose_names(self, form: Any, labels: list[str]) -> list[str]:
        names = {
            str(form.fields[field.name].label): str(field.verbose_name)
            for field in (*self.opts.fields, *self.opts.many_to_many)
            if field.name in form.fields
        }
        return [names.get(label, label) for label in labels]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Shows conflicts that occur only while saving."""
        try:
            page: HttpResponse = super().changeform_view(
                request, object_id, form_url, extra_context
            )
            return page
        except PlatformError as error:
            if request.method != "POST":
                raise
            messages.error(request, str(error))
            return redirect(request.get_full_path())


def return_url(request: HttpRequest, default: str) -> str:
    """The page of this site from which the request came."""
    page = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(
        page, {request.get_host()}, require_https=request.is_secure()
    ):
        return page
    return default


def short_time(moment: datetime | None) -> str:
    return date_format(localtime(moment), "Y-m-d H:i:s") if moment else ""


def log_link(run_id: int) -> SafeString:
    url = reverse("admin:monitoring_run_log", args=[run_id])
    return format_html('<a class="text-link" href="{}">{}</a>', url, _("Log"))


class ReadOnlyAdmin(PlatformAdmin):
    """Rows that only the platform writes. The tables are long: no counting."""

    actions: Any = None
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    sortable_by = ()  # newest first is by primary key, all else would sort the table

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
