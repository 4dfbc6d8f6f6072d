"""Charts and form choices of the monitoring pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

from common.exceptions import Invalid
from models_app.models import ServedModel
from monitoring.history.aggregation.ranges import RANGES
from monitoring.history.params import parse_span
from monitoring.labels import label
from monitoring.metrics import METRICS, SourceKind
from monitoring.models import Source
from runtimes.models import Gpu

PERCENTILES = ("p50", "p95", "p99")
MAX_LINES = 8  # more lines in one chart are indistinguishable
# The only percentile that is published live.
LIVE_PERCENTILE = "p95"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """label: empty if each source has a line of its own, labelled with its name. live:
    name in the live topic, empty if not published. live_aggregate: the only aggregate
    that is published."""

    name: str
    label: str = ""
    aggregate: str = "avg"
    live: str = ""
    live_aggregate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """percentiles: choices offered to the user."""

    id: str
    title: str
    kind: SourceKind
    unit: str
    metrics: tuple[Line, ...]
    per_second: bool = False
    percentiles: tuple[str, ...] = ()


def page_data(panels: list[Panel]) -> dict[str, Any]:
    return {
        "zone": settings.TIME_ZONE,
        "node": settings.NODE_NAME,
        "panels": [asdict(panel) for panel in panels],
    }


def host_panels() -> list[Panel]:
    return [
        _host("cpu", _("CPU"), "cpu_utilization", "cpu_core_utilization_max"),
        _host("memory", _("Memory"), "memory_used", "memory_total"),
        _host("disk", _("Disks"), "disk_read_bytes", "disk_written_bytes"),
        _host("network", _("Network"), "network_received_bytes", "network_sent_bytes"),
    ]


def gpu_panels() -> list[Panel]:
    return [
        _each("utilization", _("GPU utilisation"), "gpu_utilization"),
        _each("memory", _("GPU memory used"), "gpu_memory_used"),
        _each("temperature", _("GPU temperature"), "gpu_temperature"),
        _each("power", _("GPU power"), "gpu_power"),
    ]


def model_panels() -> list[Panel]:
    response_time = Line(
        name="response_time",
        aggregate=LIVE_PERCENTILE,
        live="response_time_p95",
        live_aggregate=LIVE_PERCENTILE,
    )
    return [
        Panel(
            id="response_time",
            title=_("Response time"),
            kind="model",
            unit="second",
            metrics=(response_time,),
            percentiles=PERCENTILES,
        ),
        _rate("requests", _("Requests"), "requests", "requests_per_s"),
        _rate("errors", _("Failed requests"), "errors", "errors_per_s"),
        Panel(
            id="concurrency",
            title=_("Concurrent requests"),
            kind="model",
            unit="",
            metrics=(
                Line(
                    name="request_seconds_in_flight",
                    aggregate="rate",
                    live="concurrency",
                ),
            ),
        ),
    ]


def _host(id: str, title: str, *names: str) -> Panel:
    is_counter = METRICS[names[0]].kind == "counter"
    aggregate = "rate" if is_counter else "avg"
    return Panel(
        id=id,
        title=title,
        kind="host",
        unit=METRICS[names[0]].unit,
        per_second=is_counter,
        metrics=tuple(
            Line(name=name, label=label(name), aggregate=aggregate, live=name)
            for name in names
        ),
    )


def _each(id: str, title: str, name: str) -> Panel:
    line = Line(name=name, live=name)
    metric = METRICS[name]
    return Panel(
        id=id, title=title, kind=metric.source, unit=metric.unit, metrics=(line,)
    )


def _rate(id: str, title: str, name: str, live: str) -> Panel:
    line = Line(name=name, aggregate="rate", live=live)
    return Panel(
        id=id, title=title, kind="model", unit="", per_second=True, metrics=(line,)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A checkbox. kind: of the metric's sources."""

    value: str
    label: str
    is_selected: bool
    kind: str = ""


def model_choices() -> list[Choice]:
    """Running models come first."""
    models = sorted(
        ServedModel.objects.only("name", "display_name", "status"),
        key=lambda model: (model.status != "running", model.name),
    )
    return [
        Choice(
            value=f"model:{model.pk}",
            label=model.display_name or model.name,
            is_selected=index < MAX_LINES,
        )
        for index, model in enumerate(models)
    ]


def metric_choices(selected: list[str]) -> dict[str, list[Choice]]:
    """By label of the source kind."""
    kinds = kind_labels()
    choices: dict[str, list[Choice]] = {}
    for name, metric in METRICS.items():
        choice = Choice(
            value=name,
            label=label(name),
            is_selected=name in selected,
            kind=metric.source,
        )
        choices.setdefault(kinds[metric.source], []).append(choice)
    return choices


def source_choices(selected: list[str]) -> dict[str, list[Choice]]:
    """By source kind."""
    choices: dict[str, list[Choice]] = {}
    for source in Source.objects.all():
        value = f"{source.kind}:{source.key}"
        choice = Choice(value=value, label=source.name, is_selected=value in selected)
        choices.setdefault(source.kind, []).append(choice)
    return choices


def datetime_inputs(params: Mapping[str, str]) -> tuple[str, str]:
    """Values of the datetime-local inputs for start and end, in the server's time zone;
    empty if invalid."""
    try:
        span = parse_span(params.get("start_time", ""), params.get("end_time", ""))
    except Invalid:
        return "", ""
    zone = ZoneInfo(settings.TIME_ZONE)
    start, end = (
        datetime.fromtimestamp(at, zone).strftime("%Y-%m-%dT%H:%M:%S")
        for at in (span.start, span.end)
    )
    return start, end


def kind_labels() -> dict[str, str]:
    return {
        "host": _("Machine"),
        "gpu": _("GPU"),
        "model": _("Model"),
        "platform": _("Platform"),
    }


def range_labels() -> dict[str, str]:
    labels = {"1h": _("1 hour"), "24h": _("24 hours"), "7d": _("7 days")}
    return {name: labels.get(name, _("30 days")) for name in RANGES}


def has_gpus() -> bool:
    return Gpu.objects.filter(present=True).exists()
