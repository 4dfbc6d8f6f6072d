"""The management API of served models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.db.models import Prefetch
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ModelViewSet

from common.messages import render
from models_app.activity import Actor
from models_app.approvals import approve
from models_app.editing import create_model, delete_model, update_model
from models_app.filters import ServedModelFilter, ShortSearch, StableOrdering
from models_app.lifecycle import request_restart, request_start, request_stop
from models_app.models import Run, ServedModel
from models_app.querysets import ServedModelQuerySet
from models_app.serializers import (
    ActivitySerializer,
    ServedModelSerializer,
    StatusSerializer,
)


def accepted(name: str) -> Callable[[Any], Any]:
    """Schema of an operation that continues after the response."""
    return extend_schema(
        operation_id=f"models_{name}",
        request=None,
        responses={202: ServedModelSerializer},
    )


LIVE_RUNS = Prefetch(
    "runs", Run.objects.live().order_by("replica", "pk"), to_attr="live_runs"
)


class ServedModels(ModelViewSet[ServedModel]):
    queryset = ServedModel.objects.prefetch_related("tags", LIVE_RUNS)  # type: ignore[misc]
    serializer_class = ServedModelSerializer
    filter_backends = [DjangoFilterBackend, ShortSearch, StableOrdering]
    filterset_class = ServedModelFilter
    search_fields = ["name", "display_name", "description"]
    ordering_fields = ["name", "priority", "status", "created_at"]
    ordering = ["name"]
    lookup_url_kwarg = "id"
    lookup_value_regex = "[A-Za-z0-9._-]+"

    def get_object(self) -> ServedModel:
        """By id or name; the filters of the list do not apply."""
        models = cast(ServedModelQuerySet, self.get_queryset())
        model = model_named(models, self.kwargs["id"])
        self.check_object_permissions(self.request, model)
        return model

    def perform_create(self, serializer: BaseSerializer[ServedModel]) -> None:
        fields = serializer.validated_data
        serializer.instance = create_model(fields, self.request.user)

    def perform_update(self, serializer: BaseSerializer[ServedModel]) -> None:
        model = cast(ServedModel, serializer.instance)
        update_model(model, serializer.validated_data, self.request.user)

    def perform_destroy(self, instance: ServedModel) -> None:
        delete_model(instance, self.request.user)

    @accepted("start")
    @action(detail=True, methods=["post"])
    def start(self, request: Request, id: str) -> Response:
        return self._accept(request_start)

    @accepted("stop")
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, id: str) -> Response:
        return self._accept(request_stop)

    @accepted("restart")
    @action(detail=True, methods=["post"])
    def restart(self, request: Request, id: str) -> Response:
        return self._accept(request_restart)

    @extend_schema(request=None, responses=ServedModelSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, id: str) -> Response:
        """Approve the settings that only administrators may set, as they are now."""
        model = approve(self.get_object(), self.request.user)
        return Response(self.get_serializer(model).data)

    def _accept(self, verb: Callable[[ServedModel, Actor], ServedModel]) -> Response:
        model = verb(self.get_object(), self.request.user)
        return Response(self.get_serializer(model).data, status=202)

    @action(detail=True, serializer_class=StatusSerializer)
    def status(self, request: Request, id: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses=ActivitySerializer(many=True))
    @action(detail=True, serializer_class=ActivitySerializer, filter_backends=[])
    def activity(self, request: Request, id: str) -> Response:
        events = self.get_object().activity.newest().select_related("run")
        page = self.paginate_queryset(cast(Any, events))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def model_named(models: ServedModelQuerySet, name_or_id: str) -> ServedModel:
    """Raises NotFound."""
    model = models.named(name_or_id).first()
    if model is None:
        raise NotFound(render("no_such_model", {"value": name_or_id}))
    return model
