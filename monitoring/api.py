"""REST API for metrics, their sources, and the current state of the system."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from monitoring.exports import as_json, as_xlsx, formats, rows
from monitoring.exports.answers import direct
from monitoring.history.aggregation.ranges import RANGES
from monitoring.history.params import AGGREGATES, build_query, parse_params
from monitoring.history.query import run_query
from monitoring.labels import label
from monitoring.live import gpus, status
from monitoring.metrics import METRICS
from monitoring.models import Source
from monitoring.negotiation import IgnoreClientNegotiation
from monitoring.serializers import (
    GpusSerializer,
    HistorySerializer,
    JsonExportSerializer,
    SeriesSerializer,
    SystemStatusSerializer,
)


def _parameter(name: str, text: str, **options: Any) -> OpenApiParameter:
    return OpenApiParameter(name, description=text, **options)


PARAMETERS = [
    _parameter(
        "start_time", "ISO 8601 date or date and time. Default zone: the server's."
    ),
    _parameter("end_time", "Exclusive. Default: now."),
    _parameter("range", "Instead of start_time and end_time.", enum=list(RANGES)),
    _parameter(
        "metric", "Repeatable, or separated by commas. Default: all.", many=True
    ),
    _parameter("source", "kind:key or kind:name. Default: all.", many=True),
    _parameter("step", "Seconds, or 10s, 1m, 1h. Default: fits the time range."),
    _parameter(
        "aggregate",
        "Default: avg for gauges, rate for counters, p95 for histograms.",
        enum=AGGREGATES,
    ),
]
FORMAT = _parameter("format", "", enum=formats.FORMATS, required=True)
FILES: dict[tuple[int, str], Any] = {
    (200, "text/csv"): OpenApiTypes.BINARY,
    (200, as_json.CONTENT_TYPE): JsonExportSerializer,
    (200, as_xlsx.CONTENT_TYPE): OpenApiTypes.BINARY,
}


def raw_params(request: Request) -> dict[str, list[str]]:
    return dict(request.query_params.lists())


class Monitoring(ViewSet):
    @extend_schema(parameters=PARAMETERS, responses=HistorySerializer)
    @action(detail=False)
    def metrics(self, request: Request) -> Response:
        result = run_query(
            build_query(parse_params(raw_params(request), also_allowed=["format"]))
        )
        return Response(dataclasses.asdict(result))

    @extend_schema(responses=SeriesSerializer(many=True))
    @action(detail=False)
    def series(self, request: Request) -> Response:
        """The available sources and their metrics."""
        return Response([_source_data(source) for source in Source.objects.all()])

    @extend_schema(
        parameters=[FORMAT, *PARAMETERS],
        responses=FILES,
    )
    @action(detail=False, content_negotiation_class=IgnoreClientNegotiation)
    def export(self, request: Request) -> StreamingHttpResponse:
        """One row per metric, source and step. By default the finest step available.
        For large exports use `POST /api/monitoring/exports`."""
        params = parse_params(raw_params(request), also_allowed=["format"])
        format = formats.check_format(request.query_params.get("format", ""))
        return direct(request, format, rows.select(build_query(params)))


def _source_data(source: Source) -> dict[str, Any]:
    known = [
        metric
        for metric in METRICS.values()
        if metric.source == source.kind and metric.is_measured(source.metrics)
    ]
    return {
        "kind": source.kind,
        "key": source.key,
        "name": source.name,
        "node": source.node,
        "metrics": [
            {"name": m.name, "unit": m.unit, "kind": m.kind, "label": label(m.name)}
            for m in known
        ],
        "first_seen": source.first_seen,
        "last_seen": source.last_seen,
    }


class System(ViewSet):
    @extend_schema(responses=SystemStatusSerializer)
    @action(detail=False)
    def status(self, request: Request) -> Response:
        return Response(SystemStatusSerializer(status.status()).data)

    @extend_schema(responses=GpusSerializer)
    @action(detail=False)
    def gpu(self, request: Request) -> Response:
        current = gpus.gpus()
        detail = None if current else "no_gpu_found"
        return Response(GpusSerializer({"gpus": current, "detail": detail}).data)
