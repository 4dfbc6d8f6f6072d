"""The list of all metrics, shared by storage, API, pages and alerts.

Display names are in monitoring.labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]
SourceKind = Literal["host", "gpu", "model", "platform"]

PLATFORM_KEY = "platform"


@dataclass(frozen=True, slots=True)
class Metric:
    """A sample of a counter is its increment since the previous sample. unit: "" for
    plain numbers and ratios."""

    name: str
    unit: str
    kind: Kind
    source: SourceKind


GAUGES: dict[SourceKind, dict[str, str]] = {
    "gpu": {
        "gpu_utilization": "percent",
        "gpu_memory_utilization": "percent",  # time spent on memory access
        "gpu_memory_used": "MiB",
        "gpu_memory_total": "MiB",
        "gpu_temperature": "celsius",
        "gpu_power": "watt",
        "gpu_power_limit": "watt",
        "gpu_clock_sm": "MHz",
        "gpu_clock_memory": "MHz",
    },
    "host": {
        "cpu_utilization": "percent",
        "cpu_core_utilization_max": "percent",
        "load_1m": "",
        "memory_used": "MiB",
        "memory_total": "MiB",
        "memory_available": "MiB",
        "swap_used": "MiB",
        "swap_total": "MiB",
        "disk_data_used": "MiB",
        "disk_data_free": "MiB",
        "disk_data_total": "MiB",
        "disk_models_used": "MiB",
        "disk_models_free": "MiB",
        "disk_models_total": "MiB",
    },
    "model": {
        "kv_cache_usage": "ratio",
        "engine_requests_running": "",
        "engine_requests_waiting": "",
        "model_gpu_memory": "MiB",
    },
    "platform": {"models_running": "", "models_waiting": "", "models_error": ""},
}
COUNTERS: dict[SourceKind, dict[str, str]] = {
    "gpu": {"gpu_health_events": ""},
    "host": {
        "disk_read_bytes": "byte",
        "disk_written_bytes": "byte",
        "network_received_bytes": "byte",
        "network_sent_bytes": "byte",
    },
    "model": {
        # counted by the gateway; requests: all that have finished, in any way
        "requests": "",
        "errors": "",  # 5xx except 503
        "refused": "",
        "cancelled": "",
        "prompt_tokens": "",
        "completion_tokens": "",
        "request_seconds_in_flight": "second",  # its rate is the mean concurrency
        # counted by the engine
        "engine_prompt_tokens": "",
        "engine_generated_tokens": "",
        "prefix_cache_queries": "",
        "prefix_cache_hits": "",
    },
}
HISTOGRAMS: dict[SourceKind, dict[str, str]] = {
    "model": {
        "response_time": "second",
        "time_to_first_token": "second",
        "time_per_token": "second",
    },
}


def _all() -> Iterator[Metric]:
    tables: dict[Kind, dict[SourceKind, dict[str, str]]] = {
        "gauge": GAUGES,
        "counter": COUNTERS,
        "histogram": HISTOGRAMS,
    }
    for kind, sources in tables.items():
        for source, units in sources.items():
            for name, unit in units.items():
                yield Metric(name, unit, kind, source)


METRICS: dict[str, Metric] = {metric.name: metric for metric in _all()}
