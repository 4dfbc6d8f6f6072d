"""Prometheus names: base units, with the unit in the name."""

from __future__ import annotations

from monitoring.metrics import Metric

PREFIX = "llmplatform"
# Our unit: Prometheus' base unit, and the factor to convert to it
BASE = {
    "percent": ("ratio", 0.01),
    "ratio": ("ratio", 1.0),
    "MiB": ("bytes", 2.0**20),
    "byte": ("bytes", 1.0),
    "celsius": ("celsius", 1.0),
    "watt": ("watts", 1.0),
    "MHz": ("hertz", 1e6),
    "second": ("seconds", 1.0),
    "": ("", 1.0),
}
RENAMED = {
    "request_seconds_in_flight": "requests_in_flight",
    "request_seconds_queued": "requests_queued",
}


def family(metric: Metric) -> str:
    """Without _total, which the exposition appends to the names of counters."""
    unit, _factor = BASE[metric.unit]
    name = RENAMED.get(metric.name, metric.name)
    if not name.startswith(f"{metric.source}_"):
        name = f"{metric.source}_{name}"
    if unit and not name.endswith(f"_{unit}"):
        name = f"{name}_{unit}"
    return f"{PREFIX}_{name}"


def in_base_unit(metric: Metric, number: float) -> float:
    """Rounded to 12 digits, to avoid values like 0.30000000000000004."""
    return float(f"{number * BASE[metric.unit][1]:.12g}")
