"""The page of the model library."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from common.messages import render
from common.problems import Problem, shorten
from models_app.filters import SEARCH_MAX_CHARS
from models_app.models import ServedModel
from models_app.permissions import ADD, VIEW
from runtimes.frameworks.candidates import Kind
from runtimes.library.cache import (
    cached_scan,
    filter_entries,
    find_entry,
    models_by_path,
)
from runtimes.library.compatibility import incompatibilities
from runtimes.library.new_model import new_model
from runtimes.library.scanner.entries import Entry
from runtimes.library.scanner.units import format_bytes, format_count, format_mib
from runtimes.models import Gpu

PAGE_ROWS = 50
PATH_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as the table shows it, and the models that serve it."""

    entry: Entry
    models: list[ServedModel]
    incompatibility: Problem | None

    @property
    def title(self) -> str:
        return shorten(self.entry.candidate.title)

    @property
    def path(self) -> str:
        return shorten(self.entry.path, PATH_SHOWN)

    @property
    def size(self) -> str:
        return format_bytes(self.entry.candidate.size)

    @property
    def parameters(self) -> str:
        return format_count(self.entry.parameters)

    @property
    def memory(self) -> str:
        return format_mib(self.entry.memory_mib)

    @property
    def gpu_memory(self) -> str:
        return format_mib(self.entry.gpu_memory_mib)

    @property
    def kind(self) -> str:
        return {
            Kind.MODEL: "",
            Kind.PROJECTOR: _("Image encoder"),
            Kind.ADAPTER: _("Adapter (LoRA)"),
            Kind.OTHER: _("Not a model"),
        }[self.entry.kind]

    @property
    def problem(self) -> str:
        found = self.entry.problem or self.incompatibility
        return render(found.code, found.params) if found else ""


@require_GET
def library_page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    framework = request.GET.get("framework", "")
    search = request.GET.get("search", "")[:SEARCH_MAX_CHARS]
    cached = cached_scan()
    entries = filter_entries(cached.result.entries, framework=framework, search=search)
    page = Paginator(entries, PAGE_ROWS).get_page(request.GET.get("page"))
    models, incompatible = (
        models_by_path(page.object_list),
        incompatibilities(page.object_list),
    )
    context = {
        **admin.site.each_context(request),
        "title": _("Model library"),
        "scan": cached,
        "page": page,
        "rows": [
            Row(entry, models[entry.path], incompatible.get(entry.path))
            for entry in page.object_list
        ],
        "problems": [render(t.code, t.params) for t in cached.result.problems],
        "frameworks": list(settings.FRAMEWORKS),
        "framework": framework,
        "search": search,
        "query": urlencode({"framework": framework, "search": search}),
        "has_gpus": Gpu.objects.filter(present=True).exists(),
        "may_add": request.user.has_perm(ADD),
    }
    return TemplateResponse(request, "runtimes/library.html", context)


@require_POST
def rescan(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm(ADD):
        raise PermissionDenied
    scan = cached_scan(refresh=True).result
    summary = {"count": len(scan.entries), "seconds": f"{scan.seconds:.1f}"}
    done = _("Models and files found: %(count)s (%(seconds)s s).")
    messages.success(request, done % summary)
    return redirect("admin:runtimes_library")


@require_GET
def add(request: HttpRequest) -> HttpResponse:
    """Redirects to the form of a new model, filled in."""
    if not request.user.has_perm(ADD):
        raise PermissionDenied
    path = request.GET.get("path", "")
    entry = find_entry(path)
    if entry is None or not entry.addable:
        gone = _("%(path)s cannot be added: it has changed or no longer exists.")
        messages.error(request, gone % {"path": shorten(path, PATH_SHOWN)})
        return redirect("admin:runtimes_library")
    form = reverse("admin:models_app_servedmodel_add")
    return redirect(f"{form}?{urlencode(_as_text(new_model(entry)))}")


def _as_text(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "config": json.dumps(fields["config"], ensure_ascii=False)}
