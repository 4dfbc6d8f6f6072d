"""Filters of the model list."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.admin import RelatedFieldListFilter, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from models_app.models import ServedModel

# Choices of a filter; what is beyond is found by the search.
SHOWN = 100


class ModelFilter(RelatedFieldListFilter):
    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[Any, Any]]:
        """In the order of their names, which are indexed."""
        models = ServedModel.objects.order_by("name")[:SHOWN]
        return [(model.pk, str(model)) for model in models]


class FrameworkFilter(SimpleListFilter):
    title = _("framework")
    parameter_name = "framework"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in settings.FRAMEWORKS]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ServedModel]
    ) -> QuerySet[ServedModel]:
        name = self.value()
        return queryset.filter(framework=name) if name else queryset


class TagFilter(SimpleListFilter):
    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = ServedModel.tags.order_by("name").values_list("name", flat=True)[:SHOWN]
        return [(name, name) for name in names]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ServedModel]
    ) -> QuerySet[ServedModel]:
        name = self.value()
        return queryset.filter(tags__name=name) if name else queryset
