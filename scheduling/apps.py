from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SchedulingConfig(AppConfig):
    name = "scheduling"
    verbose_name = _("Scheduling")

    def ready(self) -> None:
        from common.messages import register
        from runtimes.ports import planner
        from scheduling import messages, queries

        register(messages.REASONS)
        planner.provide(queries)
