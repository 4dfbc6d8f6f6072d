"""The default rules. Names and descriptions are phrases for translation."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from monitoring.alerts.enums import Comparison, Severity

MINUTE_S = 60
DAY_S = 86_400
# After a pause of the whole platform, one role is up before the other.
AFTER_START_S = MINUTE_S


def _(text: str) -> str:
    """Marks a phrase: it is translated when it is shown."""
    return text


PRESETS: dict[str, dict[str, Any]] = {
    "gpu_utilization": {
        "name": _("GPU utilisation above 90%"),
        "description": _(
            "A busy server is healthy: this only informs, and can be disabled."
        ),
        "metric": "gpu_utilization", "aggregate": "avg", "window_s": MINUTE_S,
        "threshold": 90, "clear_threshold": 80, "for_s": 10 * MINUTE_S,
        "severity": Severity.INFO,
    },
    "gpu_temperature": {
        "name": _("GPU temperature above 80 °C"),
        "description": _("Above this, most GPUs lower their clocks."),
        "metric": "gpu_temperature", "aggregate": "avg", "window_s": 30,
        "threshold": 80, "clear_threshold": 75, "for_s": 2 * MINUTE_S,
        "severity": Severity.WARNING,
    },
    "response_time": {
        "name": _("Response time above 2 seconds"),
        "description": _(
            "The slowest 5 percent of requests within 5 minutes, from request to last"
            " byte."
        ),
        "metric": "response_time", "aggregate": "p95", "window_s": 5 * MINUTE_S,
        "threshold": 2, "keep_firing_for_s": MINUTE_S, "min_count": 10,
        "severity": Severity.WARNING,
    },
    "error_rate": {
        "name": _("Error rate above 5%"),
        "description": _("The share of failed requests within 5 minutes."),
        "metric": "error_ratio", "aggregate": "avg", "window_s": 5 * MINUTE_S,
        "threshold": 5, "keep_firing_for_s": MINUTE_S, "min_count": 20,
        "severity": Severity.CRITICAL,
    },
    "disk_space": {
        "name": _("Disk space below 10%"),
        "description": _("Of the disk that holds the platform's data."),
        "metric": "disk_data_free_ratio", "aggregate": "avg", "window_s": 30,
        "comparison": Comparison.LT, "threshold": 10, "clear_threshold": 12,
        "for_s": MINUTE_S, "severity": Severity.CRITICAL,
    },
    "model_disk_space": {
        "name": _("Disk space for models below 10%"),
        "description": _("Of the disk that holds the models."),
        "metric": "disk_models_free_ratio", "aggregate": "avg", "window_s": 30,
        "comparison": Comparison.LT, "threshold": 10, "clear_threshold": 12,
        "for_s": MINUTE_S, "severity": Severity.WARNING,
    },
    "model_error": {
        "name": _("Model in error"),
        "description": _("The platform has given up, or is trying again."),
        "metric": "model_error", "aggregate": "min", "window_s": 10,
        "threshold": 0, "for_s": 30, "severity": Severity.CRITICAL,
    },
    "model_waiting": {
        "name": _("Model waiting for more than 10 minutes"),
        "description": _("It starts when enough resources are free."),
        "metric": "model_waiting_time", "aggregate": "max", "window_s": 10,
        "threshold": 600, "severity": Severity.WARNING,
    },
    "restart_loop": {
        "name": _("Model restarts repeatedly"),
        "description": _("At least 3 of its runs failed within 15 minutes."),
        "metric": "model_failures", "aggregate": "sum", "window_s": 15 * MINUTE_S,
        "comparison": Comparison.GE, "threshold": 3, "severity": Severity.CRITICAL,
    },
    "gpu_unavailable": {
        "name": _("GPU unavailable"),
        "description": _(
            "The driver has lost contact with it, or it has reported an error that"
            " needs a reset."
        ),
        "metric": "gpu_unavailable", "aggregate": "max", "window_s": 10,
        "threshold": 0, "severity": Severity.CRITICAL,
    },
    "gpu_errors": {
        "name": _("GPU reports errors"),
        "description": _("The driver has reported an XID within 5 minutes."),
        "metric": "gpu_health_events", "aggregate": "sum", "window_s": 5 * MINUTE_S,
        "threshold": 0, "severity": Severity.WARNING,
    },
    "monitor_silent": {
        "name": _("Monitor silent"),
        "description": _("Nothing is measured. The worker reports this."),
        "metric": "monitor_silence", "aggregate": "max", "window_s": 10,
        "threshold": 60, "for_s": AFTER_START_S, "severity": Severity.CRITICAL,
    },
    "worker_silent": {
        "name": _("Worker silent"),
        "description": _("No model is started or stopped. The monitor reports this."),
        "metric": "worker_silence", "aggregate": "max", "window_s": 10,
        "threshold": 240, "for_s": 2 * AFTER_START_S, "severity": Severity.CRITICAL,
    },
    "history_paused": {
        "name": _("History paused"),
        "description": _("The disk is too full to store metrics."),
        "metric": "history_paused", "aggregate": "max", "window_s": 10,
        "threshold": 0, "for_s": 30, "severity": Severity.WARNING,
    },
    "token_expiry": {
        "name": _("API token about to expire"),
        "description": _("Within 7 days."),
        "metric": "token_expiry", "aggregate": "min", "window_s": 10,
        "comparison": Comparison.LT, "threshold": 7 * DAY_S,
        "severity": Severity.INFO, "repeat_interval_s": DAY_S,
    },
    "certificate_expiry": {
        "name": _("Certificate about to expire"),
        "description": _("Within 14 days. CERTIFICATE_FILES lists the certificates."),
        "metric": "certificate_expiry", "aggregate": "min", "window_s": 10,
        "comparison": Comparison.LT, "threshold": 14 * DAY_S,
        "severity": Severity.WARNING, "repeat_interval_s": DAY_S,
    },
}  # fmt: skip
WEB_CHANNEL = "Web"


def translated(preset: str, field: str, text: str) -> str:
    """Of a default rule, until somebody changes its text."""
    is_ours = PRESETS.get(preset, {}).get(field) == text
    return gettext(text) if is_ours else text
