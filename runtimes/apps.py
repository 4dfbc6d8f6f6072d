from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RuntimesConfig(AppConfig):
    name = "runtimes"
    verbose_name = _("Engines")

    def ready(self) -> None:
        from models_app import ports
        from runtimes import registry, sizing
        from runtimes.logs import read
        from runtimes.machine import limits

        ports.frameworks.provide(registry.framework)
        ports.machine_limits.provide(limits.problems)
        ports.default_sizes.provide(sizing.defaults)
        ports.log_tail.provide(read.tail)
