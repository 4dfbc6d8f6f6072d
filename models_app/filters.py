"""Which models a list shows, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework.filters import OrderingFilter, SearchFilter

from common.exceptions import Invalid
from common.problems import Problem, shorten
from models_app.enums import Status
from models_app.models import ServedModel

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

# Each search term is a condition, and SQLite's conditions nest at most 1,000 deep.
SEARCH_MAX_CHARS = 200


class ServedModelFilter(filters.FilterSet):  # type: ignore[misc]
    status = filters.ChoiceFilter(choices=Status.choices)
    framework = filters.CharFilter()
    tag = filters.CharFilter(field_name="tags__name")

    class Meta:
        model = ServedModel
        fields: tuple[str, ...] = ()


class ShortSearch(SearchFilter):
    def get_search_terms(self, request: Request) -> list[str]:
        length = len(request.query_params.get(self.search_param, ""))
        if length > SEARCH_MAX_CHARS:
            params = {"value": length, "max": SEARCH_MAX_CHARS}
            raise Invalid(
                [Problem(code="search_too_long", field="search", params=params)]
            )
        return super().get_search_terms(request)


class StableOrdering(OrderingFilter):
    """Refuses unknown fields; rows that are equal keep their order between pages."""

    def get_ordering(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> Sequence[str]:
        return [*(super().get_ordering(request, queryset, view) or ()), "pk"]

    def remove_invalid_fields(
        self,
        queryset: QuerySet[Any],
        fields: Iterable[str],
        view: APIView,
        request: Request,
    ) -> list[str]:
        allowed = list(getattr(view, "ordering_fields", ()))
        requested = list(fields)
        for name in requested:
            if name.removeprefix("-") not in allowed:
                params = {"key": shorten(name), "allowed": allowed}
                problem = Problem(code="unknown_field", field="ordering", params=params)
                raise Invalid([problem])
        return requested
