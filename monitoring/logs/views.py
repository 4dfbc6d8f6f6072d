"""The log page of a model in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from common.messages import advise
from models_app.enums import RunState
from models_app.models import Run, ServedModel
from models_app.permissions import VIEW
from runtimes.logs.read import last_lines

# The page of a live run loads more lines over its websocket.
FIRST_LINES = 500
ENDED_LINES = 5000
MAX_RUNS = 20


@require_GET
def log(request: HttpRequest, model_id: int) -> HttpResponse:
    """?run=UID: default is the newest. ?part=head: only the header above the log."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    model = get_object_or_404(ServedModel, pk=model_id)
    run = _select_run(model, request.GET.get("run"))
    header = {"model": model, **_run_context(model, run)}
    if request.GET.get("part") == "head":
        return TemplateResponse(request, "monitoring/log_head.html", header)
    context = {
        **admin.site.each_context(request),
        **header,
        "title": _("Log of %(model)s") % {"model": model},
        "runs": list(_runs(model)[:MAX_RUNS]),
        "log": last_lines(run, _line_limit(run)) if run else None,
        "texts": _texts(),
    }
    return TemplateResponse(request, "monitoring/log.html", context)


@require_GET
def run_log(request: HttpRequest, run_id: int) -> HttpResponse:
    """Redirect to the log page, for links that know only the run."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    run = get_object_or_404(Run.objects.only("uid", "model_id"), pk=run_id)
    return redirect(f"{log_url(run.model_id)}?run={run.uid}")


def log_url(model_id: int) -> str:
    return reverse("admin:monitoring_log", args=[model_id])


def _runs(model: ServedModel) -> Any:
    return model.runs.select_related("model").order_by("-pk")


def _select_run(model: ServedModel, uid: str | None) -> Run | None:
    # PostgreSQL fails on a NUL.
    if uid and not uid.isalnum():
        raise Http404
    found: Run | None = _runs(model).filter(**({"uid": uid} if uid else {})).first()
    if uid and found is None:
        raise Http404
    return found


def _run_context(model: ServedModel, run: Run | None) -> dict[str, Any]:
    """newer: whether a later run exists."""
    if run is None:
        return {"run": None}
    return {
        "run": run,
        "advice": advise(run.end_code, run.end_params),
        "newer": model.runs.filter(pk__gt=run.pk).exists(),
    }


def _line_limit(run: Run) -> int:
    return ENDED_LINES if run.state == RunState.ENDED else FIRST_LINES


def _texts() -> dict[str, str]:
    """Texts of the page's script."""
    return {
        "skipped": _("%(count)s lines skipped"),
        "connecting": _("Connecting…"),
        "live": _("Live"),
        "pause": _("Pause"),
        "resume": _("Resume"),
        "paused": _("Paused: %(count)s new lines"),
        "ended": _("The run has ended"),
        "empty": _("This run produced no log"),
        "interrupted": _("Disconnected, reconnecting…"),
        "closed": _("Signed out, or the run no longer exists. Reload the page."),
        "found": _("Entire log: %(count)s lines contain “%(query)s”"),
        "matches": _("%(at)s of %(count)s"),
    }
