"""Downloads from hubs into the model folders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from common import jobs
from common.messages import render
from common.problems import shorten
from models_app.activity import Actor
from models_app.permissions import ADD, VIEW
from runtimes.downloads.serializers import DownloadRequestSerializer, DownloadSerializer
from runtimes.downloads.submit import submit
from runtimes.models import Download

LISTED = 100


class MayDownload(BasePermission):
    """Who may add models may fetch them, who may view models may look on."""

    def has_permission(self, request: Request, view: Any) -> bool:
        looks_on = request.method in ("GET", "HEAD", "OPTIONS")
        needed = VIEW if looks_on else ADD
        return request.user.is_authenticated and request.user.has_perm(needed)


class Downloads(GenericViewSet[Download]):
    queryset = Download.objects.select_related("created_by").order_by("-pk")
    serializer_class = DownloadSerializer
    permission_classes = (MayDownload,)
    pagination_class = None
    filter_backends = ()
    lookup_field = "uid"
    lookup_value_regex = "[0-9a-f]{32}"

    def get_object(self) -> Download:
        uid = self.kwargs["uid"]
        download: Download | None = self.get_queryset().filter(uid=uid).first()
        if download is None:
            raise NotFound(render("no_such_download", {"value": shorten(uid)}))
        return download

    def list(self, request: Request) -> Response:
        """The newest hundred."""
        newest = self.get_queryset()[:LISTED]
        return Response(self.get_serializer(newest, many=True).data)

    @extend_schema(
        request=DownloadRequestSerializer, responses={202: DownloadSerializer}
    )
    def create(self, request: Request) -> Response:
        """Goes on in the background; the folder appears when it is whole."""
        body = DownloadRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._accepted(submit(body.save(), request.user))

    def retrieve(self, request: Request, uid: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def destroy(self, request: Request, uid: str) -> Response:
        """Ends it, and removes what is not whole. A model that is there stays."""
        jobs.remove(self.get_object(), request.user)
        return Response(status=204)

    @extend_schema(request=None, responses={202: DownloadSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, uid: str) -> Response:
        """What is here stays, for another try."""
        return self._carried_out(jobs.cancel)

    @extend_schema(request=None, responses={202: DownloadSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, uid: str) -> Response:
        """Goes on where it was."""
        return self._carried_out(jobs.retry)

    def _carried_out(self, verb: Callable[[Download, Actor], Download]) -> Response:
        return self._accepted(verb(self.get_object(), self.request.user))

    def _accepted(self, download: Download) -> Response:
        return Response(self.get_serializer(download).data, status=202)
