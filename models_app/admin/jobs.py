"""The page of all long jobs: exports, downloads, image pulls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from common import jobs
from common.exceptions import PlatformError
from common.models import Job, JobState
from models_app.permissions import VIEW

SHOWN = 100
VERBS = {"cancel": jobs.cancel, "retry": jobs.retry}


@dataclass(frozen=True, slots=True)
class Row:
    """verb: what this user may do with the job now; empty: nothing."""

    kind: jobs.Kind[Any]
    job: Job
    verb: str

    @property
    def duration(self) -> timedelta | None:
        if self.job.started_at is None:
            return None
        took = (self.job.finished_at or timezone.now()) - self.job.started_at
        return timedelta(seconds=int(took.total_seconds()))


@require_GET
def job_list(request: HttpRequest) -> HttpResponse:
    """The newest jobs that this user may see."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    kind, state = request.GET.get("kind", ""), request.GET.get("state", "")
    rows = [
        row
        for each in jobs.kinds()
        if kind in ("", each.name)
        for row in _rows(each, state, request)
    ]
    rows.sort(key=lambda row: row.job.created_at, reverse=True)
    context = {
        **admin.site.each_context(request),
        "title": _("Jobs"),
        "rows": rows[:SHOWN],
        "kinds": jobs.kinds(),
        "kind": kind,
        "states": JobState.choices,
        "state": state,
    }
    return TemplateResponse(request, "admin/models_app/jobs.html", context)


def _rows(kind: jobs.Kind[Any], state: str, request: HttpRequest) -> list[Row]:
    found = kind.visible_to(request.user).select_related("created_by").order_by("-pk")
    if state in JobState.values:
        # A kind may have more states of work than the common ones.
        states = kind.model.states.WORKING if state == JobState.RUNNING else [state]
        found = found.filter(state__in=states)
    return [Row(kind, job, _verb(kind, job, request)) for job in found[:SHOWN]]


def _verb(kind: jobs.Kind[Any], job: Job, request: HttpRequest) -> str:
    if not kind.may_change(request.user, job):
        return ""
    if job.is_open:
        return "cancel"
    return "retry" if job.state in (JobState.FAILED, JobState.CANCELLED) else ""


@require_POST
def change_job(request: HttpRequest, kind: str, uid: str, verb: str) -> HttpResponse:
    """verb: cancel or retry."""
    found = {each.name: each for each in jobs.kinds()}.get(kind)
    if found is None or verb not in VERBS:
        raise Http404
    job = get_object_or_404(found.visible_to(request.user), uid=uid)
    if not found.may_change(request.user, job):
        raise PermissionDenied
    try:
        VERBS[verb](job, request.user)
    except PlatformError as error:
        messages.error(request, str(error))
    return redirect("admin:models_app_jobs")
