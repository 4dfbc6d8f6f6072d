"""Names and units as Prometheus has them: base units, and the unit in the name."""

from __future__ import annotations

from monitoring.metrics import Metric

PREFIX = "llmplatform"
# Unit of ours: what Prometheus calls it, and how many of it make one of ours
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
NAMED = {"request_seconds_in_flight": "requests_in_flight"}


def family(metric: Metric) -> str:
    """Without _total, which is put after a counter's name when it is shown."""
    unit, _factor = BASE[metric.unit]
    name = NAMED.get(metric.name, metric.name)
    if not name.startswith(f"{metric.source}_"):
        name = f"{metric.source}_{name}"
    if unit and not name.endswith(f"_{unit}"):
        name = f"{name}_{unit}"
    return f"{PREFIX}_{name}"


def in_base_unit(metric: Metric, number: float) -> float:
    """Of 12 digits, so that no 0.30000000000000004 is shown."""
    return float(f"{number * BASE[metric.unit][1]:.12g}")
