from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import gettext as _

from models_app.permissions import ADD
from runtimes.downloads.submit import writable_roots
from runtimes.enums import DownloadState, Hub

register = template.Library()


@register.inclusion_tag("runtimes/downloads.html", takes_context=True)
def downloads(context: template.Context) -> dict[str, Any]:
    """The downloads section of the library page."""
    return {
        "request": context["request"],
        "csrf_token": context.get("csrf_token"),
        "may_download": context["request"].user.has_perm(ADD),
        "hubs": Hub.choices,
        "roots": writable_roots(),
        "labels": _labels(),
    }


def _labels() -> dict[str, Any]:
    """For the list, which downloads.js renders."""
    return {
        "states": {value: str(label) for value, label in DownloadState.choices},
        "all": _("all files"),
        "left": _("%(time)s left"),
        "again": _("next attempt at %(time)s"),
        "lost": _("The server does not respond."),
    }
