"""The model library in the API."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from common.exceptions import Invalid
from common.problems import Problem
from models_app.filters import SEARCH_MAX_CHARS
from models_app.models import ServedModel
from runtimes.library.cache import cached_scan, filter_entries, models_by_path
from runtimes.library.serializers import EntrySerializer, ScanSerializer

PARAMETERS = [
    OpenApiParameter("framework"),
    OpenApiParameter(
        "search", description="Words that are in path, architecture or quantisation."
    ),
]
whole: dict[str, Any] = {"pagination_class": None}


class Library(GenericViewSet[Any]):
    queryset = ServedModel.objects.none()  # for the schema: entries are no rows
    serializer_class = EntrySerializer
    filter_backends = ()

    @extend_schema(
        operation_id="library_list",
        parameters=PARAMETERS,
        responses=EntrySerializer(many=True),
    )
    def list(self, request: Request) -> Response:
        """Models in the model folders, as they were scanned last."""
        params = request.query_params
        entries = filter_entries(
            cached_scan().result.entries,
            framework=params.get("framework", ""),
            search=_short(params.get("search", "")),
        )
        page = self.paginate_queryset(cast(Any, entries)) or []
        data = EntrySerializer(page, many=True, context=models_by_path(page))
        return self.get_paginated_response(data.data)

    @extend_schema(operation_id="library_scan", responses=ScanSerializer)
    @action(detail=False, **whole)
    def scan(self, request: Request) -> Response:
        """The last scan: when it was, of which folders, and what it left out."""
        return Response(ScanSerializer(cached_scan()).data)

    @extend_schema(
        operation_id="library_scan_again", request=None, responses=ScanSerializer
    )
    @scan.mapping.post
    def scan_again(self, request: Request) -> Response:
        """Answers when it is over. What has not changed is not read again."""
        return Response(ScanSerializer(cached_scan(refresh=True)).data)


def _short(search: str) -> str:
    if len(search) > SEARCH_MAX_CHARS:
        params = {"value": len(search), "max": SEARCH_MAX_CHARS}
        raise Invalid([Problem(code="search_too_long", field="search", params=params)])
    return search
