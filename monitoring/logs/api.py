"""REST API for the logs of a model's runs."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from common.messages import reason_of, render
from models_app.api import model_named
from models_app.models import Run, ServedModel
from monitoring.logs import streaming
from monitoring.logs.serializers import LogQuery, LogSerializer
from monitoring.negotiation import IgnoreClientNegotiation
from runtimes.logs.read import Lines, last_lines

NO_LINES = Lines(lines=[], truncated=False)


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
        """The last lines of a log as JSON; plain text with `follow` or `download`."""
        query = LogQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        options = query.validated_data
        model = model_named(ServedModel.objects.all(), id)
        run = find_run(model, options.get("run"))
        if run is None:
            return Response(_payload(None, NO_LINES))
        if options["download"]:
            return streaming.download(request, run)
        if options["follow"]:
            return streaming.follow(request, run, options["tail"], options["search"])
        lines = last_lines(run, options["tail"], options["search"])
        return Response(_payload(run, lines))


def find_run(model: ServedModel, uid: str | None) -> Run | None:
    """The newest run without uid, None if there is none. Raises NotFound."""
    runs = model.runs.select_related("model")
    if uid is None:
        return runs.order_by("-pk").first()
    run = runs.filter(uid=uid).first()
    if run is None:
        params = {"model": model.name, "value": uid}
        raise NotFound(render("no_such_run", params))
    return run


def _payload(run: Run | None, lines: Lines) -> dict[str, Any]:
    return {
        "run": run.uid if run else None,
        "state": run.state if run else None,
        "reason": reason_of(run.end_code, run.end_params) if run else None,
        "text": "\n".join(lines.lines),
        "truncated": lines.truncated,
    }
