"""Display names of metrics and units."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from monitoring.metrics import METRICS

LABELS: dict[str, Promise] = {
    "gpu_utilization": _("GPU utilisation"),
    "gpu_memory_utilization": _("GPU memory bandwidth utilisation"),
    "gpu_memory_used": _("GPU memory used"),
    "gpu_memory_total": _("Total GPU memory"),
    "gpu_temperature": _("GPU temperature"),
    "gpu_power": _("GPU power"),
    "gpu_power_limit": _("GPU power limit"),
    "gpu_clock_sm": _("GPU clock"),
    "gpu_clock_memory": _("GPU memory clock"),
    "gpu_health_events": _("GPU health events"),
    "gpu_unavailable": _("GPU unavailable"),
    "cpu_utilization": _("CPU utilisation"),
    "cpu_core_utilization_max": _("Busiest CPU core"),
    "load_1m": _("Load average (1 min)"),
    "memory_used": _("Memory used"),
    "memory_total": _("Total memory"),
    "memory_available": _("Memory available"),
    "swap_used": _("Swap used"),
    "swap_total": _("Total swap"),
    "disk_data_used": _("Data disk used"),
    "disk_data_free": _("Data disk free"),
    "disk_data_total": _("Data disk size"),
    "disk_models_used": _("Model disk used"),
    "disk_models_free": _("Model disk free"),
    "disk_models_total": _("Model disk size"),
    "disk_data_free_ratio": _("Data disk free (share)"),
    "disk_models_free_ratio": _("Model disk free (share)"),
    "monitor_silence": _("Time since the monitor's last report"),
    "disk_read_bytes": _("Disk reads"),
    "disk_written_bytes": _("Disk writes"),
    "network_received_bytes": _("Network received"),
    "network_sent_bytes": _("Network sent"),
    "requests": _("Requests"),
    "errors": _("Failed requests"),
    "error_ratio": _("Error rate"),
    "refused": _("Rejected requests"),
    "rate_limited": _("Requests rejected by a limit"),
    "queue_rejected": _("Requests rejected by a queue"),
    "cancelled": _("Cancelled requests"),
    "cache_hits": _("Requests answered from the cache"),
    "prompt_tokens": _("Prompt tokens"),
    "completion_tokens": _("Generated tokens"),
    "cached_tokens": _("Cached tokens"),
    "reasoning_tokens": _("Reasoning tokens"),
    "request_seconds_in_flight": _("Concurrent requests"),
    "request_seconds_queued": _("Queued requests"),
    "response_time": _("Response time"),
    "time_to_first_token": _("Time to first token"),
    "time_per_token": _("Time per token"),
    "queue_time": _("Wait in the queue"),
    "kv_cache_usage": _("KV cache usage"),
    "engine_requests_running": _("Running requests (engine)"),
    "engine_requests_waiting": _("Waiting requests (engine)"),
    "engine_prompt_tokens": _("Prompt tokens (engine)"),
    "engine_generated_tokens": _("Generated tokens (engine)"),
    "prefix_cache_queries": _("Prefix cache lookups (tokens)"),
    "prefix_cache_hits": _("Prefix cache hits (tokens)"),
    "model_gpu_memory": _("GPU memory used by the model"),
    "model_error": _("Model in error"),
    "model_waiting_time": _("Time a model has waited"),
    "model_failures": _("Failed runs of a model"),
    "models_running": _("Running models"),
    "models_waiting": _("Waiting models"),
    "models_error": _("Models in error"),
    "worker_silence": _("Time since the worker's last report"),
    "history_paused": _("History paused"),
    "token_expiry": _("Time until a token expires"),
    "certificate_expiry": _("Time until a certificate expires"),
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
    """Unit shown after a value; rates are per second."""
    known = METRICS[metric]
    symbol = UNITS.get(known.unit, known.unit)
    if aggregate == "rate":
        return _rate_unit(known.kind, symbol)
    return "" if known.kind == "histogram" and aggregate == "sum" else symbol


def _rate_unit(kind: str, symbol: str) -> str:
    """Seconds per second have no unit. The rate of a histogram counts observations."""
    if symbol == "s" and kind == "counter":
        return ""
    return f"{symbol}/s" if symbol and kind == "counter" else "1/s"
