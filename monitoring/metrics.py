"""The list of all metrics, shared by storage, API, pages and alerts.

Display names are in monitoring.labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram", "ratio"]
SourceKind = Literal["host", "gpu", "model", "platform"]

PLATFORM_KEY = "platform"


@dataclass(frozen=True, slots=True)
class Metric:
    """A sample of a counter is its increment since the previous sample. unit: "" for
    plain numbers and ratios.

    parts: of a ratio, the metrics of its numerator and its denominator. It is computed
    when it is read, in percent, and is a gap while the denominator is 0.
    """

    name: str
    unit: str
    kind: Kind
    source: SourceKind
    parts: tuple[str, ...] = ()

    def is_measured(self, measured: Collection[str]) -> bool:
        """measured: names of a source's stored metrics."""
        return all(name in measured for name in self.parts or (self.name,))


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
        "gpu_unavailable": "",  # 1: lost, or unhealthy until it is reset
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
        "monitor_silence": "second",
    },
    "model": {
        "kv_cache_usage": "ratio",
        "engine_requests_running": "",
        "engine_requests_waiting": "",
        "model_gpu_memory": "MiB",
        "model_error": "",  # 1: in error
        "model_waiting_time": "second",
    },
    "platform": {
        "models_running": "",
        "models_waiting": "",
        "models_error": "",
        "worker_silence": "second",
        "history_paused": "",  # 1: too little disk space
        # Until the next one expires
        "token_expiry": "second",
        "certificate_expiry": "second",
    },
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
        "rate_limited": "",  # of these, by a limit
        "queue_rejected": "",  # queue full, or the wait too long
        "cancelled": "",
        "cache_hits": "",  # answered from the response cache
        "prompt_tokens": "",
        "completion_tokens": "",
        "cached_tokens": "",
        "reasoning_tokens": "",
        "request_seconds_in_flight": "second",  # its rate is the mean concurrency
        "request_seconds_queued": "second",  # its rate is the mean length of the queue
        # counted by the engine
        "engine_prompt_tokens": "",
        "engine_generated_tokens": "",
        "prefix_cache_queries": "",
        "prefix_cache_hits": "",
        # counted by the monitor: runs that ended by a fault
        "model_failures": "",
    },
}
HISTOGRAMS: dict[SourceKind, dict[str, str]] = {
    "model": {
        "response_time": "second",
        "time_to_first_token": "second",
        "time_per_token": "second",
        "queue_time": "second",
    },
}
RATIOS: dict[SourceKind, dict[str, tuple[str, str]]] = {
    "host": {
        "disk_data_free_ratio": ("disk_data_free", "disk_data_total"),
        "disk_models_free_ratio": ("disk_models_free", "disk_models_total"),
    },
    "model": {"error_ratio": ("errors", "requests")},
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
    for source, ratios in RATIOS.items():
        for name, parts in ratios.items():
            yield Metric(name, "percent", "ratio", source, parts)


METRICS: dict[str, Metric] = {metric.name: metric for metric in _all()}
