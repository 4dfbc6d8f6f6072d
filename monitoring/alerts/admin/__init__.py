"""Pages of alerts, one file per thing shown."""

from monitoring.alerts.admin import alerts, rules

__all__ = ["alerts", "rules"]
