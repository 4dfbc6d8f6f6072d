"""Delete models from the admin: only stopped ones, each through the verb."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import actions
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from common.exceptions import Conflict
from models_app.admin.base import PlatformAdmin
from models_app.editing import delete_model, delete_models
from models_app.enums import Operation
from models_app.lifecycle import require
from models_app.models import ServedModel


@admin.action(permissions=["delete"], description=_("Delete"))
def delete_selected(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[ServedModel]
) -> HttpResponse | None:
    """Deletes all, or none and shows the reason."""
    try:
        with transaction.atomic():
            for model in queryset:
                require(model, Operation.DELETE)
            response: HttpResponse | None = actions.delete_selected(
                model_admin, request, queryset
            )
            return response
    except Conflict as conflict:
        messages.error(request, str(conflict))
        return None


class DeletesStopped(PlatformAdmin):
    def has_delete_permission(
        self, request: HttpRequest, obj: ServedModel | None = None
    ) -> bool:
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or Operation.DELETE in obj.allowed_operations()

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Shows why a model cannot be deleted now, instead of a plain 403."""
        model = self.get_object(request, object_id)
        try:
            if model and self.has_delete_permission(request):
                require(model, Operation.DELETE)
            response: HttpResponse = super().delete_view(
                request, object_id, extra_context
            )
            return response
        except Conflict as conflict:
            messages.error(request, str(conflict))
            return redirect("admin:models_app_servedmodel_change", object_id)

    def delete_model(self, request: HttpRequest, obj: ServedModel) -> None:
        delete_model(obj, request.user)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[ServedModel]
    ) -> None:
        delete_models(list(queryset), request.user)

    def get_deleted_objects(
        self, objs: Iterable[ServedModel], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Runs are deleted with their model. That needs no permission of its own, and
        listing thousands of runs would be useless."""
        names = [f"{model} ({model.name})" for model in objs]
        may = all(self.has_delete_permission(request, model) for model in objs)
        lacking = set() if may else {str(self.opts.verbose_name)}
        return names, {str(self.opts.verbose_name_plural): len(names)}, lacking, []
