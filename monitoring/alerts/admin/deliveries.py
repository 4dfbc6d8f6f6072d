"""Deliveries: what was sent where, and what came of it."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common import jobs
from common.exceptions import PlatformError
from common.models import JobState
from models_app.admin.base import ReadOnlyAdmin, return_url, short_time
from models_app.templatetags.platform_labels import LABEL, label
from monitoring.alerts.enums import DeliveryKind
from monitoring.alerts.models import Delivery
from monitoring.alerts.permissions import CHANGE_DELIVERIES

PAGES = "monitoring/alerts"
COLOURS = {JobState.DONE: "ok", JobState.FAILED: "error", JobState.RUNNING: "info"}


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("created", "channel", "about", "state_label", "result", "retry")
    list_display_links = ("created",)
    list_filter = ("state", "kind", "channel")
    ordering = ("-pk",)
    list_before_template = f"{PAGES}/operations_form.html"
    fields = (
        "channel",
        "about",
        "state_label",
        "result",
        "created",
        "started",
        "ended",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        deliveries: QuerySet[Delivery] = super().get_queryset(request)
        return deliveries.select_related("channel")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        columns = self.list_display
        return columns if request.user.has_perm(CHANGE_DELIVERIES) else columns[:-1]

    @admin.display(description=_("created"))
    def created(self, delivery: Delivery) -> str:
        return short_time(delivery.created_at)

    @admin.display(description=_("started"))
    def started(self, delivery: Delivery) -> str:
        return short_time(delivery.started_at)

    @admin.display(description=_("finished"))
    def ended(self, delivery: Delivery) -> str:
        return short_time(delivery.finished_at)

    @admin.display(description=_("about"))
    def about(self, delivery: Delivery) -> str:
        if delivery.kind == DeliveryKind.TEST:
            return gettext("Test message")
        count = len(delivery.alerts)
        text = gettext("%(count)s alert") if count == 1 else gettext("%(count)s alerts")
        return text % {"count": count}

    @admin.display(description=_("state"))
    def state_label(self, delivery: Delivery) -> SafeString:
        return state_label(delivery)

    @admin.display(description=_("result"))
    def result(self, delivery: Delivery) -> SafeString:
        return render_to_string(f"{PAGES}/result.html", {"delivery": delivery})

    @admin.display(description=_("operations"))
    def retry(self, delivery: Delivery) -> SafeString:
        return render_to_string(f"{PAGES}/retry_button.html", {"delivery": delivery})

    def get_urls(self) -> list[URLPattern]:
        inside = self.admin_site.admin_view
        own = [
            path(
                "<int:delivery_id>/retry/",
                inside(retry),
                name="monitoring_delivery_retry",
            )
        ]
        return own + list(super().get_urls())


def state_label(delivery: Delivery) -> SafeString:
    colour = COLOURS.get(JobState(delivery.state), "")
    return render_to_string(LABEL, label(colour, delivery.get_state_display()))


@require_POST
def retry(request: HttpRequest, delivery_id: int) -> HttpResponse:
    if not request.user.has_perm(CHANGE_DELIVERIES):
        raise PermissionDenied
    delivery = get_object_or_404(Delivery, pk=delivery_id)
    try:
        jobs.retry(delivery, request.user)
        messages.success(request, gettext("It is sent again."))
    except PlatformError as error:
        messages.error(request, str(error))
    default = reverse("admin:monitoring_delivery_changelist")
    return redirect(return_url(request, default))
