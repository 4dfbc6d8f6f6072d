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
from models_app.catalogue import delete_model
from models_app.enums import Operation
from models_app.lifecycle import require
from models_app.models import ServedModel


@admin.action(permissions=["delete"], description=_("Delete"))
def delete_selected(
    model_admin: Any, request: HttpRequest, queryset: QuerySet[ServedModel]
) -> HttpResponse | None:
    """All of them or, with the reason, none."""
    try:
        with transaction.atomic():
            for model in queryset:
                require(model, Operation.DELETE)
            answer: HttpResponse | None = actions.delete_selected(
                model_admin, request, queryset
            )
            return answer
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
        """Says why a model cannot be deleted now, instead of a bare 403."""
        model = self.get_object(request, object_id)
        try:
            if model and self.has_delete_permission(request):
                require(model, Operation.DELETE)
            answer: HttpResponse = super().delete_view(
                request, object_id, extra_context
            )
            return answer
        except Conflict as conflict:
            messages.error(request, str(conflict))
            return redirect("admin:models_app_servedmodel_change", object_id)

    def delete_model(self, request: HttpRequest, obj: ServedModel) -> None:
        delete_model(obj, request.user)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[ServedModel]
    ) -> None:
        for model in queryset:
            delete_model(model, request.user)

    def get_deleted_objects(
        self, objs: Iterable[ServedModel], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Runs go with their model; nobody needs a permission of their own for that,
        and listing thousands of them helps nobody."""
        names = [f"{model} ({model.name})" for model in objs]
        may = all(self.has_delete_permission(request, model) for model in objs)
        lacking = set() if may else {str(self.opts.verbose_name)}
        return names, {str(self.opts.verbose_name_plural): len(names)}, lacking, []
