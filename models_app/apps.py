from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ModelsAppConfig(AppConfig):
    name = "models_app"
    verbose_name = _("Models")

    def ready(self) -> None:
        from common.messages import register
        from models_app import messages, signals
        from models_app.accounts import signals as accounts
        from models_app.aliases import messages as aliases
        from models_app.limits import messages as limits
        from models_app.permissions import create_groups

        register(messages.REASONS)
        register(limits.REASONS)
        register(aliases.REASONS)
        post_migrate.connect(create_groups, sender=self)
        signals.connect()
        accounts.connect()
