"""Cells of the model list; the same ones are sent again when something changed."""

from __future__ import annotations

from django.db.models import Prefetch, QuerySet
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from models_app.admin.operations import buttons
from models_app.enums import RunState
from models_app.models import Run, ServedModel

CELLS = "admin/models_app/servedmodel/cells"
LIVE_RUNS = "live_runs"


def with_rows(models: QuerySet[ServedModel]) -> QuerySet[ServedModel]:
    """With all that a row shows, in a fixed number of queries."""
    live = Prefetch("runs", Run.objects.live().only("model", "state"), LIVE_RUNS)
    return models.prefetch_related("tags", live)  # type: ignore[misc]


def title(model: ServedModel) -> SafeString:
    return render_to_string(f"{CELLS}/title.html", {"model": model})


def state(model: ServedModel) -> SafeString:
    return render_to_string(f"{CELLS}/state.html", {"model": model})


def replicas(model: ServedModel) -> SafeString:
    """model: one of with_rows()."""
    live: list[Run] = getattr(model, LIVE_RUNS)
    ready = sum(run.state == RunState.READY for run in live)
    return render_to_string(f"{CELLS}/replicas.html", {"model": model, "ready": ready})


def operations(model: ServedModel) -> SafeString:
    return render_to_string(
        f"{CELLS}/operations.html", {"model": model, "operations": buttons(model)}
    )
