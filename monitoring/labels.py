"""Metrics and units, in words for people."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from monitoring.metrics import METRICS

LABELS: dict[str, Promise] = {
    "gpu_utilization": _("GPU utilisation"),
    "gpu_memory_utilization": _("GPU memory controller"),
    "gpu_memory_used": _("GPU memory used"),
    "gpu_memory_total": _("GPU memory"),
    "gpu_temperature": _("GPU temperature"),
    "gpu_power": _("GPU power"),
    "gpu_power_limit": _("GPU power limit"),
    "gpu_clock_sm": _("GPU clock"),
    "gpu_clock_memory": _("GPU memory clock"),
    "gpu_health_events": _("GPU health events"),
    "cpu_utilization": _("CPU utilisation"),
    "cpu_core_utilization_max": _("Busiest CPU core"),
    "load_1m": _("Load, 1 minute"),
    "memory_used": _("Memory used"),
    "memory_total": _("Memory in all"),
    "memory_available": _("Memory available"),
    "swap_used": _("Swap used"),
    "swap_total": _("Swap"),
    "disk_data_used": _("Data disk used"),
    "disk_data_free": _("Data disk free"),
    "disk_data_total": _("Data disk"),
    "disk_models_used": _("Model disk used"),
    "disk_models_free": _("Model disk free"),
    "disk_models_total": _("Model disk"),
    "disk_read_bytes": _("Read from disks"),
    "disk_written_bytes": _("Written to disks"),
    "network_received_bytes": _("Received from the network"),
    "network_sent_bytes": _("Sent to the network"),
    "requests": _("Requests"),
    "errors": _("Failed requests"),
    "refused": _("Refused requests"),
    "cancelled": _("Cancelled requests"),
    "prompt_tokens": _("Prompt tokens"),
    "completion_tokens": _("Generated tokens"),
    "request_seconds_in_flight": _("Concurrent requests"),
    "response_time": _("Response time"),
    "time_to_first_token": _("Time to first token"),
    "time_per_token": _("Time per token"),
    "kv_cache_usage": _("KV cache in use"),
    "engine_requests_running": _("Requests running in the engine"),
    "engine_requests_waiting": _("Requests waiting in the engine"),
    "engine_prompt_tokens": _("Prompt tokens of the engine"),
    "engine_generated_tokens": _("Generated tokens of the engine"),
    "prefix_cache_queries": _("Prefix cache: tokens looked up"),
    "prefix_cache_hits": _("Prefix cache: tokens found"),
    "model_gpu_memory": _("GPU memory of the model"),
    "models_running": _("Running models"),
    "models_waiting": _("Waiting models"),
    "models_error": _("Models in error"),
}
UNITS = {
    "percent": "%",
    "celsius": "°C",
    "watt": "W",
    "byte": "B",
    "second": "s",
    "ratio": "",
}


def label(metric: str) -> str:
    return str(LABELS[metric])


def unit(metric: str, aggregate: str = "") -> str:
    """As shown behind a number; of rates: in each second."""
    known = METRICS[metric]
    written = UNITS.get(known.unit, known.unit)
    if aggregate == "rate":
        return _rate_unit(known.kind, written)
    return "" if known.kind == "histogram" and aggregate == "sum" else written


def _rate_unit(kind: str, written: str) -> str:
    """Seconds in a second are a plain number; durations are counted, not added."""
    if written == "s" and kind == "counter":
        return ""
    return f"{written}/s" if written and kind == "counter" else "1/s"
