"""Background exports: request, watch and download them."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from common import jobs
from common.messages import render
from common.models import JobState
from common.problems import shorten
from models_app.permissions import VIEW
from monitoring.api import FILES, FORMAT, PARAMETERS, raw_params
from monitoring.exports import formats
from monitoring.exports.answers import streamed
from monitoring.exports.jobs import KIND, path_of, submit
from monitoring.history.params import parse_params
from monitoring.models import ExportJob
from monitoring.negotiation import IgnoreClientNegotiation
from monitoring.serializers import ExportJobSerializer


class MayView(BasePermission):
    """Whoever may look at metrics may take them along."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.user.is_authenticated and request.user.has_perm(VIEW)


class Exports(GenericViewSet[ExportJob]):
    """Of the one who asks; administrators see everybody's."""

    queryset = ExportJob.objects.select_related("created_by").order_by("-pk")
    serializer_class = ExportJobSerializer
    permission_classes = (MayView,)
    content_negotiation_class = IgnoreClientNegotiation
    pagination_class = None
    filter_backends = ()
    lookup_field = "uid"
    lookup_value_regex = "[0-9a-f]{32}"

    def get_queryset(self) -> QuerySet[ExportJob]:
        visible = KIND.visible_to(self.request.user)
        return visible.select_related("created_by").order_by("-pk")

    def get_object(self) -> ExportJob:
        uid = self.kwargs["uid"]
        job = self.get_queryset().filter(uid=uid).first()
        if job is None:
            raise NotFound(render("no_such_export", {"value": shorten(uid)}))
        return job

    def list(self, request: Request) -> Response:
        return Response(self.get_serializer(self.get_queryset()[:100], many=True).data)

    @extend_schema(
        parameters=[FORMAT, *PARAMETERS],
        request=None,
        responses={202: ExportJobSerializer},
    )
    def create(self, request: Request) -> Response:
        """Takes the query parameters of `export`. At most two per user at once."""
        export_params = parse_params(raw_params(request), also_allowed=["format"])
        format = formats.check_format(request.query_params.get("format", ""))
        job = submit(cast(User, request.user), format, export_params)
        return Response(self.get_serializer(job).data, status=202)

    def retrieve(self, request: Request, uid: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def destroy(self, request: Request, uid: str) -> Response:
        """Also ends one that is being written."""
        jobs.remove(self.get_object(), request.user)
        return Response(status=204)

    @extend_schema(responses=FILES)
    @action(detail=True)
    def file(self, request: Request, uid: str) -> StreamingHttpResponse:
        job = self.get_object()
        path = path_of(job)
        over = job.expires_at is None or job.expires_at < timezone.now()
        if job.state != JobState.DONE or over or not path.is_file():
            raise NotFound(render("export_has_no_file", {"value": shorten(uid)}))
        answer = streamed(
            request,
            formats.file_chunks(path),
            formats.CONTENT_TYPES[job.format],
            job.file_name,
        )
        answer["Content-Length"] = str(path.stat().st_size)
        return answer
