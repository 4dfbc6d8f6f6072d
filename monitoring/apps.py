from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MonitoringConfig(AppConfig):
    name = "monitoring"
    verbose_name = _("Monitoring")

    def ready(self) -> None:
        from common import jobs
        from common.messages import register
        from monitoring import messages
        from monitoring.exports import messages as exports
        from monitoring.exports.jobs import KIND

        register((*messages.REASONS, *exports.REASONS))
        jobs.register(KIND)
