from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ModelsAppConfig(AppConfig):
    name = "models_app"
    verbose_name = _("Models")

    def ready(self) -> None:
        from models_app import messages, signals  # noqa: F401 -- registers codes
        from models_app.roles import create_groups

        post_migrate.connect(create_groups, sender=self)
        signals.connect()
