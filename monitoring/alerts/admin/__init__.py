"""Pages of alerts, one file per thing shown."""

from monitoring.alerts.admin import alerts, channels, deliveries, rules

__all__ = ["alerts", "channels", "deliveries", "rules"]
