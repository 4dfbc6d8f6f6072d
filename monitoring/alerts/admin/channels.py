"""Notification channels: secrets are shown once, and a button sends a test message."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from common.exceptions import PlatformError
from common.messages import advise
from common.messages import render as render_reason
from models_app.admin.base import (
    COPY_SCRIPT,
    LIVE_SCRIPT,
    PlatformAdmin,
    return_url,
    short_time,
)
from models_app.templatetags.platform_labels import LABEL, label
from monitoring.alerts.admin.channel_form import OF_KIND, ChannelForm
from monitoring.alerts.delivery.channels import submit_test
from monitoring.alerts.delivery.editing import (
    create_channel,
    delete_channel,
    rotate_secret,
    update_channel,
)
from monitoring.alerts.enums import ChannelKind
from monitoring.alerts.models import Delivery, NotificationChannel
from monitoring.alerts.permissions import CHANGE_CHANNELS, VIEW_CHANNELS

PAGES = "monitoring/alerts"
DELIVERIES = 10


@admin.register(NotificationChannel)
class NotificationChannelAdmin(PlatformAdmin):
    form = ChannelForm
    fields = ("name", "kind", "recipients", "url", "apprise_url", "language", "enabled")
    conditional_fields = {
        field: f"kind == '{kind.value}'" for kind, field in OF_KIND.items()
    }
    list_display = ("name", "kind_label", "goes_to", "state_label", "last_sent", "test")
    search_fields = ("name",)
    list_before_template = f"{PAGES}/operations_form.html"
    change_form_outer_before_template = f"{PAGES}/channel.html"

    class Media:
        js = (LIVE_SCRIPT, COPY_SCRIPT)

    def get_fields(
        self, request: HttpRequest, obj: NotificationChannel | None = None
    ) -> tuple[str, ...]:
        """Those of the form are for who may change it."""
        may = obj is None or self.has_change_permission(request, obj)
        return self.fields if may else ("name", "kind", "language", "enabled")

    @admin.display(description=_("kind"), ordering="kind")
    def kind_label(self, channel: NotificationChannel) -> str:
        return channel.get_kind_display()

    @admin.display(description=_("goes to"))
    def goes_to(self, channel: NotificationChannel) -> str:
        recipients = channel.config.get("recipients", [])
        return ", ".join(recipients) or channel.config.get("url", "")

    @admin.display(description=_("state"), ordering="enabled")
    def state_label(self, channel: NotificationChannel) -> SafeString:
        if channel.enabled:
            return render_to_string(LABEL, label("ok", str(_("Enabled"))))
        return render_to_string(LABEL, label("", str(_("Disabled"))))

    @admin.display(description=_("last message"), ordering="last_sent_at")
    def last_sent(self, channel: NotificationChannel) -> str:
        return short_time(channel.last_sent_at)

    @admin.display(description=_("test"))
    def test(self, channel: NotificationChannel) -> SafeString:
        return render_to_string(f"{PAGES}/test_button.html", {"channel": channel})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = dict(extra_context or {})
        channel = self.get_object(request, object_id)
        if channel is not None and self.has_view_permission(request, channel):
            context |= _context(request, channel)
        page: HttpResponse = super().change_view(request, object_id, form_url, context)
        return page

    def save_model(
        self,
        request: HttpRequest,
        obj: NotificationChannel,
        form: ChannelForm,
        change: bool,
    ) -> None:
        fields = form.cleaned_data["channel"]
        if change:
            channel = NotificationChannel.objects.get(pk=obj.pk)
            update_channel(channel, fields, request.user)
        else:
            made, secret = create_channel(fields, request.user)
            obj.pk, obj.secret = made.pk, secret

    def save_related(self, *args: Any, **kwargs: Any) -> None:
        """There is nothing beside the channel."""

    def response_add(
        self,
        request: HttpRequest,
        obj: NotificationChannel,
        post_url_continue: Any = None,
    ) -> HttpResponse:
        if obj.kind != ChannelKind.WEBHOOK:
            page: HttpResponse = super().response_add(request, obj, post_url_continue)
            return page
        return _secret_page(request, obj, obj.secret)

    def delete_model(self, request: HttpRequest, obj: NotificationChannel) -> None:
        delete_channel(obj, request.user)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[NotificationChannel]
    ) -> None:
        for channel in queryset:
            delete_channel(channel, request.user)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Their deliveries go with them."""
        names = [str(channel) for channel in objs]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), []

    def get_urls(self) -> list[URLPattern]:
        inside, name = self.admin_site.admin_view, "monitoring_notificationchannel"
        own = [
            path("<int:channel_id>/test/", inside(send_test), name=f"{name}_test"),
            path("<int:channel_id>/rotate/", inside(rotate), name=f"{name}_rotate"),
            path("<int:channel_id>/live/", inside(live), name=f"{name}_live"),
        ]
        return own + list(super().get_urls())


@require_POST
def send_test(request: HttpRequest, channel_id: int) -> HttpResponse:
    """The page of the channel shows what comes of it."""
    channel = _channel(request, channel_id)
    submit_test(channel, request.user)
    text = gettext("A test message is on its way. The result appears below.")
    messages.success(request, text)
    return redirect("admin:monitoring_notificationchannel_change", channel.pk)


@require_POST
def rotate(request: HttpRequest, channel_id: int) -> HttpResponse:
    channel = _channel(request, channel_id)
    try:
        return _secret_page(request, channel, rotate_secret(channel, request.user))
    except PlatformError as error:
        messages.error(request, str(error))
    default = reverse("admin:monitoring_notificationchannel_changelist")
    return redirect(return_url(request, default))


def live(request: HttpRequest, channel_id: int) -> HttpResponse:
    """The part of the page that live.js refreshes."""
    if not request.user.has_perm(VIEW_CHANNELS):
        raise PermissionDenied
    channel = get_object_or_404(NotificationChannel, pk=channel_id)
    context = _context(request, channel)
    return render(request, f"{PAGES}/channel_deliveries.html", context)


def _channel(request: HttpRequest, channel_id: int) -> NotificationChannel:
    if not request.user.has_perm(CHANGE_CHANNELS):
        raise PermissionDenied
    return get_object_or_404(NotificationChannel, pk=channel_id)


def _context(request: HttpRequest, channel: NotificationChannel) -> dict[str, Any]:
    code = channel.disabled_code
    return {
        "channel": channel,
        "may_change_channel": request.user.has_perm(CHANGE_CHANNELS),
        "is_webhook": channel.kind == ChannelKind.WEBHOOK,
        "disabled": f"{render_reason(code, {})} {advise(code, {})}" if code else "",
        "deliveries": Delivery.objects.filter(channel=channel)[:DELIVERIES],
    }


def _secret_page(
    request: HttpRequest, channel: NotificationChannel, secret: str
) -> HttpResponse:
    """The answer to the POST itself: nothing in between has to keep the secret."""
    context = {
        **admin.site.each_context(request),
        "title": gettext("Secret of the channel"),
        "opts": NotificationChannel._meta,
        "media": NotificationChannelAdmin(NotificationChannel, admin.site).media,
        "channel": channel,
        "secret": secret,
    }
    return TemplateResponse(request, f"{PAGES}/secret.html", context)
