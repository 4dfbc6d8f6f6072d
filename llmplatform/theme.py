"""Appearance and navigation of the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.http import HttpRequest

VIEW_MODELS = "models_app.view_servedmodel"


def _has_permission(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


def _changelist(title: Any, icon: str, model: str) -> dict[str, Any]:
    """A link to the changelist of a model ("app.model"), for users who may view it."""
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": _has_permission(f"{app}.view_{name}"),
    }


def _page(title: Any, icon: str, name: str) -> dict[str, Any]:
    """A link to another page of the admin, for users who may view models."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{name}"),
        "permission": _has_permission(VIEW_MODELS),
    }


def _exact(link: dict[str, Any]) -> dict[str, Any]:
    """A link that stays inactive on pages below it that have links of their own."""
    return {**link, "active": lambda request: request.path == str(link["link"])}


PLATFORM = [
    _exact(
        {
            "title": _("Dashboard"),
            "icon": "dashboard",
            "link": reverse_lazy("admin:index"),
        }
    ),
    _changelist(_("Models"), "deployed_code", "models_app.servedmodel"),
    _changelist(_("Aliases"), "alt_route", "models_app.modelalias"),
    _page(_("Model library"), "library_books", "runtimes_library"),
    _page(_("Queue"), "low_priority", "scheduling_queue"),
    _page(_("Machines and GPUs"), "memory", "runtimes_gpu_changelist"),
    _page(_("Engines"), "manufacturing", "runtimes_engines"),
    _changelist(_("Runs"), "terminal", "models_app.run"),
    _page(_("Jobs"), "task", "models_app_jobs"),
    _exact(_changelist(_("Activity"), "history", "models_app.activity")),
]
MONITORING = [
    _changelist(_("Alerts"), "notifications", "monitoring.alert"),
    _changelist(_("Alert rules"), "rule", "monitoring.alertrule"),
    _changelist(
        _("Notification channels"), "campaign", "monitoring.notificationchannel"
    ),
    _changelist(_("Deliveries"), "outbox", "monitoring.delivery"),
    _page(_("GPU monitoring"), "developer_board", "monitoring_gpus"),
    _page(_("Model monitoring"), "monitoring", "monitoring_models"),
    _page(_("History"), "query_stats", "monitoring_history"),
    {
        **_page(_("Usage"), "receipt_long", "monitoring_usage"),
        "permission": lambda request: True,  # everybody has some of their own
    },
]
ACCESS = [
    {
        **_changelist(_("API tokens"), "key", "models_app.apitoken"),
        "permission": lambda request: True,  # everybody has a list of their own
    },
    _changelist(_("Limits"), "speed", "models_app.limit"),
    _changelist(_("Users"), "person", "auth.user"),
    _changelist(_("Groups"), "group", "auth.group"),
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _("LLM inference service"),
    "SITE_HEADER": _("LLM inference service"),
    "SITE_SYMBOL": "neurology",
    "LOGIN": {"form": "models_app.accounts.sign_in.SignInForm"},
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("icon.svg"),
        }
    ],
    "SHOW_LANGUAGES": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "monitoring.views.overview",
    "STYLES": [lambda request: static("css/platform.css")],
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {"title": _("Platform"), "items": PLATFORM},
            {"title": _("Monitoring"), "items": MONITORING},
            {"title": _("Access"), "items": ACCESS},
        ],
    },
}
