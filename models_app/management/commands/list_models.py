from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils.translation import gettext as _

from models_app.enums import Status
from models_app.models import ServedModel


class Command(BaseCommand):
    help = "Print name, status and reason of each model."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            models = list(ServedModel.objects.order_by("name"))
        except DatabaseError as error:
            raise CommandError(
                _("The database cannot be used: %(error)s") % {"error": error}
            ) from error
        width = max((len(model.name) for model in models), default=0)
        for model in models:
            reason = model.reason["message"] if model.reason else ""
            status = Status(model.status).label
            self.stdout.write(f"{model.name:<{width}}  {status}  {reason}".rstrip())
