from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RuntimesConfig(AppConfig):
    name = "runtimes"
    verbose_name = _("Engines")
