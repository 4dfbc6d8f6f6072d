"""The page of engines: what is installed, what can be, and images of containers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from models_app.messages import render
from models_app.roles import VIEW
from runtimes import installations
from runtimes.drivers.base import DriverError
from runtimes.registry import driver


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Of one framework or engine. problem: why it cannot be used, in words."""

    driver: str
    framework: str
    words: str = ""
    problem: str = ""


@require_GET
def engine_page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    found = installations.installed()
    names = {engine.name for engine in found}
    lacking = {n: how for n, how in installations.INSTALL.items() if n not in names}
    context = {
        **admin.site.each_context(request),
        "title": _("Engines"),
        "engines": found,
        "lacking": lacking,
        "images": list(_images()),
        "engines_dir": settings.ENGINES_DIR,
    }
    return TemplateResponse(request, "runtimes/engines.html", context)


def _images() -> Iterator[Image]:
    for name in settings.DRIVERS:
        yield from (_image(name, framework) for framework in driver(name).images)


def _image(name: str, framework: str) -> Image:
    try:
        words = driver(name).image(framework)
    except DriverError as error:
        problem = render(error.code, error.params)
        return Image(driver=name, framework=framework, problem=problem)
    return Image(driver=name, framework=framework, words=words)
