"""The logs of a model's runs in the API."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.messages import render
from models_app.api import model_named
from models_app.models import Run, ServedModel, reason_of
from monitoring.logs import streaming
from monitoring.logs.serializers import LogQuery, LogSerializer
from monitoring.negotiation import IgnoreClientNegotiation
from runtimes.logs.read import Lines, last_lines

NOTHING = Lines(lines=[], truncated=False)


class Logs(APIView):
    content_negotiation_class = IgnoreClientNegotiation

    @extend_schema(
        operation_id="models_logs_retrieve",
        parameters=[LogQuery],
        responses={
            (200, "application/json"): LogSerializer,
            (200, "text/plain"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:
        """The end of a log as JSON; with `follow` or `download` as plain text."""
        query = LogQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        model = model_named(ServedModel.objects.all(), id)
        run = run_of(model, asked.get("run"))
        if run is None:
            return Response(told_of(None, NOTHING))
        if asked["download"]:
            return streaming.download(request, run)
        if asked["follow"]:
            return streaming.follow(request, run, asked["tail"], asked["search"])
        return Response(told_of(run, last_lines(run, asked["tail"], asked["search"])))


def run_of(model: ServedModel, uid: str | None) -> Run | None:
    """The newest without uid; None when there was none yet. Raises NotFound."""
    runs = model.runs.select_related("model")
    if uid is None:
        return runs.order_by("-pk").first()
    run = runs.filter(uid=uid).first()
    if run is None:
        params = {"model": model.name, "value": uid}
        raise NotFound(render("no_such_run", params))
    return run


def told_of(run: Run | None, found: Lines) -> dict[str, Any]:
    return {
        "run": run.uid if run else None,
        "state": run.state if run else None,
        "reason": reason_of(run.end_code, run.end_params) if run else None,
        "text": "\n".join(found.lines),
        "truncated": found.truncated,
    }
