from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import gettext as _

from models_app.permissions import ADD
from runtimes.downloads.asking import writable_roots
from runtimes.enums import DownloadState, Hub

register = template.Library()


@register.inclusion_tag("runtimes/downloads.html", takes_context=True)
def downloads(context: template.Context) -> dict[str, Any]:
    """The part of the library page that fetches models from hubs."""
    return {
        "request": context["request"],
        "csrf_token": context.get("csrf_token"),
        "may_download": context["request"].user.has_perm(ADD),
        "hubs": Hub.choices,
        "roots": writable_roots(),
        "words": _words(),
    }


def _words() -> dict[str, Any]:
    """Of the list, which the page makes itself."""
    return {
        "states": {value: str(label) for value, label in DownloadState.choices},
        "all": _("all files"),
        "left": _("%(time)s left"),
        "again": _("next try at %(time)s"),
        "lost": _("The server does not answer."),
    }
