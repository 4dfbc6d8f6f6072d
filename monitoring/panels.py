"""What pages with charts are told: which charts, of which metrics, in which words."""

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
LINES = 8  # more in one chart cannot be told apart
# The live figure of a percentile is this one.
LIVE_PERCENTILE = "p95"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """label: empty where each source has a line, which is called like it. live: what
    it is called in its topic; empty: it is not told there. live_aggregate: the only one
    that is told there."""

    name: str
    label: str = ""
    aggregate: str = "avg"
    live: str = ""
    live_aggregate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """percentiles: people choose among them."""

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
    """A box to tick. kind: of the sources of a metric."""

    value: str
    label: str
    chosen: bool
    kind: str = ""


def models_to_choose() -> list[Choice]:
    """Those that run come first."""
    models = sorted(
        ServedModel.objects.only("name", "display_name", "status"),
        key=lambda model: (model.status != "running", model.name),
    )
    return [
        Choice(value=f"model:{m.pk}", label=m.display_name or m.name, chosen=n < LINES)
        for n, m in enumerate(models)
    ]


def metrics_to_choose(asked: list[str]) -> dict[str, list[Choice]]:
    """By words for the kind of their source."""
    words = kind_words()
    found: dict[str, list[Choice]] = {}
    for name, metric in METRICS.items():
        choice = Choice(
            value=name, label=label(name), chosen=name in asked, kind=metric.source
        )
        found.setdefault(words[metric.source], []).append(choice)
    return found


def sources_to_choose(asked: list[str]) -> dict[str, list[Choice]]:
    """By kind."""
    found: dict[str, list[Choice]] = {}
    for source in Source.objects.all():
        value = f"{source.kind}:{source.key}"
        choice = Choice(value=value, label=source.name, chosen=value in asked)
        found.setdefault(source.kind, []).append(choice)
    return found


def times_to_show(words: Mapping[str, str]) -> tuple[str, str]:
    """Start and end as fields of a page take them, in the server's time zone; empty
    where they are no times."""
    try:
        span = parse_span(words.get("start_time", ""), words.get("end_time", ""))
    except Invalid:
        return "", ""
    zone = ZoneInfo(settings.TIME_ZONE)
    start, end = (
        datetime.fromtimestamp(at, zone).strftime("%Y-%m-%dT%H:%M:%S")
        for at in (span.start, span.end)
    )
    return start, end


def kind_words() -> dict[str, str]:
    return {
        "host": _("Machine"),
        "gpu": _("GPU"),
        "model": _("Model"),
        "platform": _("Platform"),
    }


def range_words() -> dict[str, str]:
    words = {"1h": _("1 hour"), "24h": _("24 hours"), "7d": _("7 days")}
    return {name: words.get(name, _("30 days")) for name in RANGES}


def has_gpus() -> bool:
    return Gpu.objects.filter(present=True).exists()
