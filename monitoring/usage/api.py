"""REST API of usage."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from monitoring.api import FORMAT, raw_params
from monitoring.exports import as_json, as_xlsx, formats
from monitoring.exports.answers import streamed
from monitoring.exports.limits import check_direct
from monitoring.history.aggregation.ranges import RANGES
from monitoring.negotiation import IgnoreClientNegotiation
from monitoring.usage import export
from monitoring.usage.models import UsageRecord
from monitoring.usage.params import GROUPS, parse_query
from monitoring.usage.query import grouped, select, shown, totals
from monitoring.usage.serializers import (
    UsageDocumentSerializer,
    UsagePageSerializer,
    UsageRowSerializer,
)

SUBJECT = "Id or name; several are separated by commas. Default: all."
PARAMETERS = [
    OpenApiParameter(
        "start_time",
        description="ISO 8601 date or date and time; usage counts in whole hours."
        " Default zone: the server's.",
    ),
    OpenApiParameter("end_time", description="Exclusive. Default: now."),
    OpenApiParameter(
        "range",
        enum=list(RANGES),
        description="Instead of start_time and end_time. Default: 30d.",
    ),
    OpenApiParameter(
        "group_by",
        description=f"Any of {', '.join(GROUPS)}, separated by commas. Default: model.",
    ),
    *(
        OpenApiParameter(name, description=f"{SUBJECT} {note}".strip())
        for name, note in (
            ("token", "The id of a token is its prefix."),
            ("user", ""),
            ("model", ""),
        )
    ),
]
FILES: dict[tuple[int, str], Any] = {
    (200, "text/csv"): OpenApiTypes.BINARY,
    (200, as_json.CONTENT_TYPE): UsageDocumentSerializer,
    (200, as_xlsx.CONTENT_TYPE): OpenApiTypes.BINARY,
}


class Usage(GenericViewSet[UsageRecord]):
    """The caller's own; administrators see everybody's."""

    queryset = UsageRecord.objects.none()
    serializer_class = UsageRowSerializer
    permission_classes = (IsAuthenticated,)
    filter_backends = ()

    @extend_schema(
        parameters=PARAMETERS, responses=UsagePageSerializer, operation_id="usage_list"
    )
    def list(self, request: Request) -> Response:
        pages = ("page", "page_size", "format")
        query = parse_query(raw_params(request), also_allowed=pages)
        records = select(query, request.user)
        page = self.paginate_queryset(grouped(query, records))
        answer = self.get_paginated_response(list(shown(page or [], query.groups)))
        answer.data |= {**export.about(query), "currency": settings.CURRENCY}
        answer.data["totals"] = totals(records)
        return answer

    @extend_schema(parameters=[FORMAT, *PARAMETERS], responses=FILES)
    @action(
        detail=False,
        pagination_class=None,
        content_negotiation_class=IgnoreClientNegotiation,
    )
    def export(self, request: Request) -> StreamingHttpResponse:
        """A row for each group."""
        query = parse_query(raw_params(request), also_allowed=["format"])
        format = formats.check_format(request.query_params.get("format", ""))
        rows = grouped(query, select(query, request.user))
        check_direct(format, rows.count())
        return streamed(
            request,
            export.chunks(format, query, rows),
            formats.CONTENT_TYPES[format],
            export.file_name(format, query),
        )
