"""REST API of limits, for administrators."""

from __future__ import annotations

from typing import Any, cast

from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import NotFound
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ModelViewSet

from common.messages import render
from models_app.filters import StableOrdering
from models_app.limits.editing import create_limit, delete_limit, update_limit
from models_app.limits.models import SUBJECTS, Limit
from models_app.limits.serializers import LimitSerializer
from models_app.permissions import RowPermissions


class LimitFilter(filters.FilterSet):  # type: ignore[misc]
    subject = filters.ChoiceFilter(
        choices=[(name, name) for name in SUBJECTS], method="of_subject"
    )

    class Meta:
        model = Limit
        fields: tuple[str, ...] = ()

    def of_subject(self, limits: Any, _name: str, subject: str) -> Any:
        return limits.filter(**{f"{subject}__isnull": False})


class Limits(ModelViewSet[Limit]):
    queryset = Limit.objects.select_related(*SUBJECTS)
    serializer_class = LimitSerializer
    permission_classes = (RowPermissions,)
    filter_backends = [DjangoFilterBackend, StableOrdering]
    filterset_class = LimitFilter
    ordering_fields = ["id", "created_at", "updated_at"]
    ordering = ["id"]
    lookup_value_regex = "[0-9]{1,18}"
    lookup_url_kwarg = "id"

    def get_object(self) -> Limit:
        """The filters of the list do not apply."""
        number = self.kwargs["id"]
        found = self.get_queryset().filter(pk=number).first()
        if found is None:
            raise NotFound(render("no_such_limit", {"value": number}))
        return found

    def perform_create(self, serializer: BaseSerializer[Limit]) -> None:
        fields = serializer.validated_data
        serializer.instance = create_limit(fields, self.request.user)

    def perform_update(self, serializer: BaseSerializer[Limit]) -> None:
        limit = cast(Limit, serializer.instance)
        update_limit(limit, serializer.validated_data, self.request.user)

    def perform_destroy(self, instance: Limit) -> None:
        delete_limit(instance, self.request.user)
