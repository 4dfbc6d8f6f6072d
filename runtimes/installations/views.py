"""The page of engines: what is installed, what can be, and images of containers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from common import jobs
from common.exceptions import PlatformError
from common.messages import render
from models_app.permissions import ADD, VIEW
from runtimes.drivers.base import DriverError
from runtimes.installations import discovery, pulls
from runtimes.models import ImagePull
from runtimes.registry import driver


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Of one framework or engine. problem: why it cannot be used. pull: the
    newest."""

    driver: str
    framework: str
    text: str = ""
    problem: str = ""
    is_missing: bool = False
    pull: ImagePull | None = None


@require_GET
def engine_page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    found = discovery.installed()
    names = {engine.name for engine in found}
    lacking = {
        kind.name: kind.install
        for kind in discovery.kinds().values()
        if kind.name not in names
    }
    context = {
        **admin.site.each_context(request),
        "title": _("Engines"),
        "engines": found,
        "lacking": lacking,
        "images": list(_images()),
        "may_pull": request.user.has_perm(ADD),
        "engines_dir": settings.ENGINES_DIR,
    }
    return TemplateResponse(request, "runtimes/engines.html", context)


def _images() -> Iterator[Image]:
    for name in settings.DRIVERS:
        yield from (_image(name, framework) for framework in driver(name).images)


def _image(name: str, framework: str) -> Image:
    try:
        text = driver(name).image(framework)
    except DriverError as error:
        return Image(
            driver=name,
            framework=framework,
            problem=render(error.code, error.params),
            is_missing=error.code == "image_missing",
            pull=ImagePull.objects.filter(driver=name, key=framework).first(),
        )
    return Image(driver=name, framework=framework, text=text)


@require_POST
def pull_image(request: HttpRequest) -> HttpResponse:
    """POST: driver and framework, or engine, as the page names them."""
    if not request.user.has_perm(ADD):
        raise PermissionDenied
    driver_name, key = (request.POST.get(name, "") for name in ("driver", "framework"))
    try:
        pulls.submit(driver_name, key, request.user)
    except PlatformError as error:
        messages.error(request, str(error))
    return redirect("admin:runtimes_engines")


@require_POST
def cancel_pull(request: HttpRequest, uid: str) -> HttpResponse:
    if not request.user.has_perm(ADD):
        raise PermissionDenied
    try:
        jobs.cancel(get_object_or_404(ImagePull, uid=uid), request.user)
    except PlatformError as error:
        messages.error(request, str(error))
    return redirect("admin:runtimes_engines")
