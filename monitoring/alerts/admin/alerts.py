"""The alerts: active ones, which can be acknowledged and silenced, and history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common.exceptions import PlatformError
from models_app.admin.base import LIVE_SCRIPT, ReadOnlyAdmin, return_url, short_time
from models_app.templatetags.platform_labels import LABEL, label
from monitoring.alerts import actions
from monitoring.alerts.admin.rows import Row, active
from monitoring.alerts.enums import AlertState
from monitoring.alerts.models import Alert
from monitoring.alerts.permissions import OPERATE_ALERTS, VIEW_ALERTS
from monitoring.alerts.sentences import measured, quantity

PAGES = "monitoring/alerts"
LIST = "admin:monitoring_alert_changelist"
# Of a silence that one click makes
HOURS = (1, 24)
LONGEST_HOURS = 90 * 24


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("what", "state_label", "fired", "lasted", "handled")
    list_display_links = ("what",)
    list_filter = ("severity", "state", "source_kind")
    search_fields = ("rule_name", "source_name")
    ordering = ("-pk",)
    list_before_template = f"{PAGES}/list_before.html"
    change_form_outer_before_template = f"{PAGES}/alert.html"
    fields = (
        "source_name", "measured", "threshold_shown", "value_shown", "peak_shown",
        "began", "fired", "ended", "lasted", "sent",
    )  # fmt: skip

    class Media:
        js = (LIVE_SCRIPT,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        alerts: QuerySet[Alert] = super().get_queryset(request)
        return alerts.filter(state__in=AlertState.FIRED)

    @admin.display(description=_("alert"))
    def what(self, alert: Alert) -> SafeString:
        return render_to_string(f"{PAGES}/what.html", {"row": Row(alert)})

    @admin.display(description=_("state"))
    def state_label(self, alert: Alert) -> SafeString:
        shown = label(alert.state, alert.get_state_display())
        return render_to_string(LABEL, shown)

    @admin.display(description=_("fired"))
    def fired(self, alert: Alert) -> str:
        return short_time(alert.fired_at)

    @admin.display(description=_("duration"))
    def lasted(self, alert: Alert) -> str:
        return Row(alert).lasted

    @admin.display(description=_("metric"))
    def measured(self, alert: Alert) -> str:
        return measured(alert.metric, alert.aggregate)

    @admin.display(description=_("threshold"))
    def threshold_shown(self, alert: Alert) -> str:
        return quantity(alert.metric, alert.aggregate, alert.threshold)

    @admin.display(description=_("value"))
    def value_shown(self, alert: Alert) -> str:
        return quantity(alert.metric, alert.aggregate, alert.value)

    @admin.display(description=_("peak"))
    def peak_shown(self, alert: Alert) -> str:
        return quantity(alert.metric, alert.aggregate, alert.peak)

    @admin.display(description=_("started"))
    def began(self, alert: Alert) -> str:
        return short_time(alert.started_at)

    @admin.display(description=_("ended"))
    def ended(self, alert: Alert) -> str:
        return short_time(alert.ended_at)

    @admin.display(description=_("last message"))
    def sent(self, alert: Alert) -> str:
        return short_time(alert.notified_at)

    @admin.display(description=_("handled"))
    def handled(self, alert: Alert) -> SafeString:
        return render_to_string(f"{PAGES}/handled.html", {"row": Row(alert)})

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), **_active_context(request)}
        page: HttpResponse = super().changelist_view(request, context)
        return page

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {**(extra_context or {}), **_buttons_context(request)}
        alert = self.get_object(request, object_id)
        if alert is not None:
            context |= {"row": Row(alert), "title": Row(alert).name}
        page: HttpResponse = super().change_view(request, object_id, form_url, context)
        return page

    def get_urls(self) -> list[URLPattern]:
        inside = self.admin_site.admin_view
        own = [
            path("active/", inside(active_alerts), name="monitoring_alert_active"),
            path(
                "<int:alert_id>/<slug:verb>/now/",
                inside(operate),
                name="monitoring_alert_operate",
            ),
        ]
        return own + list(super().get_urls())


def active_alerts(request: HttpRequest) -> HttpResponse:
    """The part of the list that live.js refreshes."""
    if not request.user.has_perm(VIEW_ALERTS):
        raise PermissionDenied
    return render(request, f"{PAGES}/active.html", _active_context(request))


@require_POST
def operate(request: HttpRequest, alert_id: int, verb: str) -> HttpResponse:
    """verb: acknowledge, unsilence, or silence with `hours` or `until`, a time in the
    zone of the page."""
    if not request.user.has_perm(OPERATE_ALERTS):
        raise PermissionDenied
    alert = get_object_or_404(Alert, pk=alert_id)
    try:
        messages.success(request, _operate(request, alert, verb))
    except PlatformError as error:
        messages.error(request, str(error))
    return redirect(return_url(request, reverse(LIST)))


def _operate(request: HttpRequest, alert: Alert, verb: str) -> str:
    name = Row(alert).name
    if verb == "acknowledge":
        actions.acknowledge(alert, request.user)
        return gettext("%(alert)s is acknowledged.") % {"alert": name}
    if verb == "unsilence":
        actions.unsilence(alert, request.user)
        return gettext("%(alert)s is no longer silenced.") % {"alert": name}
    if verb != "silence":
        raise Http404
    actions.silence(alert, _end_of_silence(request), request.user)
    values = {"alert": name, "time": short_time(alert.silenced_until)}
    return gettext("%(alert)s is silenced until %(time)s.") % values


def _end_of_silence(request: HttpRequest) -> datetime:
    """What cannot be read is a time that has passed, which is refused."""
    hours = request.POST.get("hours", "")
    if hours.isascii() and hours.isdigit():
        return timezone.now() + timedelta(hours=min(int(hours[:6]), LONGEST_HOURS))
    try:
        until = parse_datetime(request.POST.get("until", ""))
    except ValueError:
        until = None
    if until is None:
        return timezone.now()
    return timezone.make_aware(until) if timezone.is_naive(until) else until


def _active_context(request: HttpRequest) -> dict[str, Any]:
    return {"active": active(), **_buttons_context(request)}


def _buttons_context(request: HttpRequest) -> dict[str, Any]:
    may = request.user.has_perm(OPERATE_ALERTS)
    return {"may_operate_alerts": may, "hours": HOURS}
