"""API of the scheduler: queue, resources, decisions and preview."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from models_app.serializers import DraftSerializer, parse_draft
from scheduling.enums import DecisionKind
from scheduling.models import Decision
from scheduling.queries import current_machines, current_queue, preview_model
from scheduling.serializers import (
    DecisionSerializer,
    MachineSerializer,
    PreviewSerializer,
    WaitingSerializer,
)

# Computed on each request as one list
unpaginated: dict[str, Any] = {"pagination_class": None, "filter_backends": []}


class DecisionFilter(filters.FilterSet):  # type: ignore[misc]
    model = filters.CharFilter(
        method="of_model", help_text="Name of a model; also of one that is gone."
    )
    kind = filters.ChoiceFilter(choices=DecisionKind.choices)

    class Meta:
        model = Decision
        fields: tuple[str, ...] = ()

    def of_model(
        self, rows: QuerySet[Decision], _name: str, value: str
    ) -> QuerySet[Decision]:
        return rows.filter(model_name=value)


class Scheduling(GenericViewSet[Decision]):
    queryset = Decision.objects.order_by("-pk")
    serializer_class = DecisionSerializer
    filterset_class = DecisionFilter

    @extend_schema(responses=WaitingSerializer(many=True))
    @action(detail=False, **unpaginated)
    def queue(self, request: Request) -> Response:
        return Response(WaitingSerializer(current_queue(), many=True).data)

    @extend_schema(responses=MachineSerializer(many=True))
    @action(detail=False, **unpaginated)
    def resources(self, request: Request) -> Response:
        return Response(MachineSerializer(current_machines(), many=True).data)

    @extend_schema(responses=DecisionSerializer(many=True))
    @action(detail=False, filter_backends=[filters.DjangoFilterBackend])
    def decisions(self, request: Request) -> Response:
        rows = self.filter_queryset(self.get_queryset())
        page = self.paginate_queryset(cast(Any, rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=DraftSerializer, responses=PreviewSerializer)
    @action(detail=False, methods=["post"], **unpaginated)
    def preview(self, request: Request) -> Response:
        context = self.get_serializer_context()
        fields, instance = parse_draft(DraftSerializer, request.data, context)
        preview = preview_model(fields, instance)
        return Response(PreviewSerializer(preview).data)
