"""The page of a model's logs, in the admin's frame."""

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

# What is live gets more at once, over its socket.
FIRST_LINES = 500
ENDED_LINES = 5000
RUNS = 20


@require_GET
def log(request: HttpRequest, model_id: int) -> HttpResponse:
    """?run=UID: the newest without it. ?part=head: only what changes around the log."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    model = get_object_or_404(ServedModel, pk=model_id)
    run = _chosen(model, request.GET.get("run"))
    told = {"model": model, **_of_run(model, run)}
    if request.GET.get("part") == "head":
        return TemplateResponse(request, "monitoring/log_head.html", told)
    context = {
        **admin.site.each_context(request),
        **told,
        "title": _("Log of %(model)s") % {"model": model},
        "runs": list(_runs(model)[:RUNS]),
        "found": last_lines(run, _shown(run)) if run else None,
        "words": _words(),
    }
    return TemplateResponse(request, "monitoring/log.html", context)


@require_GET
def run_log(request: HttpRequest, run_id: int) -> HttpResponse:
    """The same page, for links that know no more than a run."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    run = get_object_or_404(Run.objects.only("uid", "model_id"), pk=run_id)
    return redirect(f"{page_of(run.model_id)}?run={run.uid}")


def page_of(model_id: int) -> str:
    return reverse("admin:monitoring_log", args=[model_id])


def _runs(model: ServedModel) -> Any:
    return model.runs.select_related("model").order_by("-pk")


def _chosen(model: ServedModel, uid: str | None) -> Run | None:
    # PostgreSQL fails on a NUL.
    if uid and not uid.isalnum():
        raise Http404
    found: Run | None = _runs(model).filter(**({"uid": uid} if uid else {})).first()
    if uid and found is None:
        raise Http404
    return found


def _of_run(model: ServedModel, run: Run | None) -> dict[str, Any]:
    """newer: there is a run that was started after it."""
    if run is None:
        return {"run": None}
    return {
        "run": run,
        "advice": advise(run.end_code, run.end_params),
        "newer": model.runs.filter(pk__gt=run.pk).exists(),
    }


def _shown(run: Run) -> int:
    return ENDED_LINES if run.state == RunState.ENDED else FIRST_LINES


def _words() -> dict[str, str]:
    """Said by the page itself."""
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
