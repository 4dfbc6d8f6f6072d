"""The /metrics endpoint for Prometheus."""

from __future__ import annotations

from django.http import HttpResponse
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from rest_framework.request import Request
from rest_framework.views import APIView

from monitoring.negotiation import IgnoreClientNegotiation
from monitoring.prometheus.families import Platform
from monitoring.prometheus.permissions import MayScrape, MetricsAuthentication

REGISTRY = CollectorRegistry(auto_describe=False)
REGISTRY.register(Platform())


class Metrics(APIView):
    """Prometheus text format, or OpenMetrics if the Accept header requests it."""

    authentication_classes = (MetricsAuthentication,)
    permission_classes = (MayScrape,)
    content_negotiation_class = IgnoreClientNegotiation
    schema = None

    def get(self, request: Request) -> HttpResponse:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return HttpResponse(encode(REGISTRY), content_type=content_type)
