from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MonitoringConfig(AppConfig):
    name = "monitoring"
    verbose_name = _("Monitoring")

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from common import jobs
        from common.messages import register
        from models_app.permissions import create_groups, grant
        from monitoring import messages
        from monitoring.alerts import messages as alerts
        from monitoring.alerts.delivery import messages as delivery
        from monitoring.alerts.delivery.kind import KIND as deliveries
        from monitoring.alerts.permissions import GRANTED
        from monitoring.alerts.watch import create_schedule
        from monitoring.exports import messages as exports
        from monitoring.exports.jobs import KIND
        from monitoring.usage.permissions import GRANTED as USAGE_GRANTED

        for part in (messages, alerts, delivery, exports):
            register(part.REASONS)
        jobs.register(KIND)
        jobs.register(deliveries)
        granted = {
            group: (*names, *USAGE_GRANTED.get(group, ()))
            for group, names in GRANTED.items()
        }
        grant("monitoring", granted)
        post_migrate.connect(create_groups, sender=self)
        post_migrate.connect(create_schedule, sender=self)
