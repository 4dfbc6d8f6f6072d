import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from common.enums import Retry
from common.messages import find
from models_app.enums import Desired, Status
from models_app.models import ServedModel
from runtimes.demo import NAME, NotInstalled, install
from runtimes.logs.read import tail

PAUSE_S = 0.3
# Longer than a plan takes: it waits for room that others hold.
WAITING_S = 10
LOG_BYTES = 2000
NOT_RUNNING = 3


class Command(BaseCommand):
    help = (
        "Install and start the demo model. One that is there is left as it is. Ends"
        f" with {NOT_RUNNING} if somebody stopped or deleted it, or it waits for room."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="not again after it was deleted"
        )
        parser.add_argument(
            "--wait", type=float, default=0, help="seconds to wait until it runs"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            model = install(once=options["once"])
        except NotInstalled as error:
            raise CommandError(str(error)) from error
        if model is None or model.desired_state == Desired.STOPPED:
            self._leave(_("%(model)s was stopped or deleted; left as it is."), NAME)
        elif options["wait"]:
            self._report(wait(model, options["wait"]))

    def _report(self, model: ServedModel) -> None:
        if model.status == Status.WAITING:
            self._leave(
                _("%(model)s is waiting. %(reason)s"), model.name, reason_of(model)
            )
        if model.status != Status.RUNNING:
            raise CommandError(why_not(model))

    def _leave(self, message: str, model: str, reason: str = "") -> None:
        self.stdout.write(message % {"model": model, "reason": reason})
        sys.exit(NOT_RUNNING)


def wait(model: ServedModel, seconds: float) -> ServedModel:
    """As it is when it runs, will never run, or time is up."""
    started_at = since = time.monotonic()
    while time.monotonic() - started_at < seconds:
        final = find(model.reason_code).retry is Retry.NEVER
        if model.status == Status.RUNNING or final:
            break
        if model.status != Status.WAITING:
            since = time.monotonic()
        elif time.monotonic() - since > WAITING_S:
            break
        time.sleep(PAUSE_S)
        model.refresh_from_db()
    return model


def reason_of(model: ServedModel) -> str:
    return str(model.reason["message"]) if model.reason else ""


def why_not(model: ServedModel) -> str:
    run = model.runs.first()
    return _("%(model)s is not running (%(status)s). %(reason)s\n%(log)s") % {
        "model": model.name,
        "status": Status(model.status).label,
        "reason": reason_of(model),
        "log": tail(run, LOG_BYTES) if run else "",
    }
