"""The metric families of a scrape."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

from django.conf import settings
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from models_app.enums import Status
from models_app.models import ServedModel
from monitoring.alerts.enums import AlertState
from monitoring.alerts.models import Alert
from monitoring.history.aggregation import histogram
from monitoring.history.aggregation.bucket_values import Distribution
from monitoring.metrics import METRICS, Kind, Metric
from monitoring.models import Source
from monitoring.prometheus import totals
from monitoring.prometheus.names import PREFIX, family, in_base_unit
from runtimes.models import Gpu, Node

MeasuredFamily = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily

LABELS = {"host": ["node"], "gpu": ["uuid", "gpu", "node"], "model": ["model", "id"]}
FAMILIES: dict[Kind, type[MeasuredFamily]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
}
# Sources not measured for this long are left out, except existing models.
STALE_S = 3600
MAX_ALERTS = 1000


class Platform(Collector):
    """Takes a fixed number of queries, regardless of the number of models and GPUs."""

    def collect(self) -> Iterator[Family]:
        yield from _platform()
        yield from _machines()
        yield _alerts()
        yield from _measured(time.time())


def _platform() -> Iterator[Family]:
    version = str(settings.SPECTACULAR_SETTINGS["VERSION"])
    info = GaugeMetricFamily(f"{PREFIX}_build_info", "Version.", labels=["version"])
    info.add_metric([version], 1)
    yield info
    counts = Counter(ServedModel.objects.values_list("status", flat=True))
    models = GaugeMetricFamily(f"{PREFIX}_models", "By status.", labels=["status"])
    for status in Status.values:
        models.add_metric([status], counts[status])
    yield models


def _alerts() -> Family:
    """Like Prometheus' own ALERTS."""
    labels = ["alertname", "alertstate", "severity", "kind", "source"]
    family = GaugeMetricFamily(f"{PREFIX}_alerts", "Open alerts.", labels=labels)
    rows = Alert.objects.filter(state__in=AlertState.OPEN).values_list(
        "rule_name", "state", "severity", "source_kind", "source_name"
    )
    for row in rows[:MAX_ALERTS]:
        family.add_metric(list(row), 1)
    return family


def _machines() -> Iterator[Family]:
    last_seen = GaugeMetricFamily(
        f"{PREFIX}_node_seen_timestamp_seconds",
        "When its monitor last wrote.",
        labels=["node"],
    )
    for node in Node.objects.all():
        last_seen.add_metric([node.name], node.seen_at.timestamp())
    yield last_seen
    healthy = GaugeMetricFamily(
        f"{PREFIX}_gpu_healthy", "0: lost, or no longer there.", labels=LABELS["gpu"]
    )
    for gpu in Gpu.objects.select_related("node"):
        labels = [gpu.uuid, str(gpu.index), gpu.node.name]
        healthy.add_metric(labels, gpu.present and not gpu.lost)
    yield healthy


def _measured(now: float) -> Iterator[Family]:
    sources = _sources(now)
    readings = totals.read([source for source, _labels in sources], now)
    for metric in METRICS.values():
        if metric.source not in LABELS or metric.parts:
            continue
        metric_family = _metric_family(metric)
        for source, labels in sources:
            if source.kind == metric.source:
                _add_sample(metric_family, metric, labels, readings[source.pk])
        if metric_family.samples:
            yield metric_family


def _sources(now: float) -> list[tuple[Source, list[str]]]:
    names = dict(ServedModel.objects.values_list("pk", "name"))
    indexes = dict(Gpu.objects.values_list("uuid", "index"))
    labelled = []
    for source in Source.objects.filter(kind__in=LABELS):
        if source.kind == "model":
            name = names.get(int(source.key) if source.key.isdigit() else 0)
            labels = [name, source.key] if name else []
        elif source.last_seen < now - STALE_S:
            labels = []
        elif source.kind == "gpu":
            labels = [source.key, str(indexes.get(source.key, "")), source.node]
        else:
            labels = [source.key]
        if labels:
            labelled.append((source, labels))
    return labelled


def _metric_family(metric: Metric) -> MeasuredFamily:
    text = f"{metric.name} of a {metric.source}."
    return FAMILIES[metric.kind](family(metric), text, labels=LABELS[metric.source])


def _add_sample(
    metric_family: MeasuredFamily,
    metric: Metric,
    labels: list[str],
    reading: totals.Reading,
) -> None:
    values = reading.latest if metric.kind == "gauge" else reading.totals
    value = values.get(metric.name)
    if isinstance(metric_family, HistogramMetricFamily):
        if isinstance(value, dict):
            metric_family.add_metric(labels, list(_buckets(value)), value["sum"])
    elif isinstance(value, list):
        _low, _high, total, count = value
        number = total / count if metric.kind == "gauge" else total
        metric_family.add_metric(labels, in_base_unit(metric, number))


def _buckets(value: Distribution) -> Iterator[tuple[str, float]]:
    """Cumulative counts, as Prometheus expects."""
    cumulative = 0
    for index, bound in enumerate((*histogram.BOUNDS_S, float("inf"))):
        cumulative += value["counts"].get(str(index), 0)
        yield ("+Inf" if bound == float("inf") else str(bound)), cumulative
