"""REST API of aliases of several models."""

from __future__ import annotations

from typing import cast

from django_filters import rest_framework as filters
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import NotFound
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ModelViewSet

from common.messages import render
from models_app.aliases.editing import create_alias, delete_aliases, update_alias
from models_app.aliases.models import ModelAlias
from models_app.aliases.serializers import ModelAliasSerializer
from models_app.filters import ShortSearch, StableOrdering
from models_app.permissions import RowPermissions


class ModelAliasFilter(filters.FilterSet):  # type: ignore[misc]
    name = filters.CharFilter(help_text="Exactly this name.")
    model = filters.CharFilter(
        field_name="targets__model__name",
        help_text="Aliases of this model.",
    )

    class Meta:
        model = ModelAlias
        fields: tuple[str, ...] = ()


class ModelAliases(ModelViewSet[ModelAlias]):
    queryset = ModelAlias.objects.prefetch_related("targets__model")
    serializer_class = ModelAliasSerializer
    permission_classes = (RowPermissions,)
    filter_backends = [DjangoFilterBackend, ShortSearch, StableOrdering]
    filterset_class = ModelAliasFilter
    search_fields = ["name", "description"]
    ordering_fields = ["id", "name", "created_at", "updated_at"]
    ordering = ["name"]
    lookup_value_regex = "[0-9]{1,18}"
    lookup_url_kwarg = "id"

    def get_object(self) -> ModelAlias:
        """The filters of the list do not apply."""
        number = self.kwargs["id"]
        found = self.get_queryset().filter(pk=number).first()
        if found is None:
            raise NotFound(render("no_such_alias", {"value": number}))
        return found

    def perform_create(self, serializer: BaseSerializer[ModelAlias]) -> None:
        fields = serializer.validated_data
        serializer.instance = create_alias(fields, self.request.user)

    def perform_update(self, serializer: BaseSerializer[ModelAlias]) -> None:
        alias = cast(ModelAlias, serializer.instance)
        fields = serializer.validated_data
        serializer.instance = update_alias(alias, fields, self.request.user)

    def perform_destroy(self, instance: ModelAlias) -> None:
        delete_aliases([instance], self.request.user)
