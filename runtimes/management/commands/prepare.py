from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils.translation import gettext as _

from common.database import NewerDatabase, refuse_newer_database
from runtimes.demo import NotInstalled, install


class Command(BaseCommand):
    help = (
        "What a deployment needs before the roles start, in one go: tables, account,"
        " token, demo model. Prints the password of an account that it made."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="with the demo model")
        parser.add_argument(
            "--check",
            action="store_true",
            help="only check that this code can use the database",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            refuse_newer_database()
            if not options["check"]:
                self._prepare(demo=options["demo"])
        except DatabaseError as error:
            raise CommandError(
                _("The database cannot be used: %(error)s") % {"error": error}
            ) from error
        except (NewerDatabase, NotInstalled) as error:
            raise CommandError(str(error)) from error

    def _prepare(self, *, demo: bool) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        password = StringIO()
        call_command("create_admin", stdout=password)
        if made := password.getvalue().strip():
            # At once: what follows may fail, and it is kept nowhere.
            shown = _("Account: admin, password: %(password)s (shown only this once)")
            self.stdout.write(shown % {"password": made})
        call_command("deployment_token", stdout=self.stdout)
        if demo:
            install(once=True)
