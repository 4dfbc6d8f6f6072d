import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils.translation import gettext as _

from models_app.models import Run
from models_app.runs import request_run_stop
from runtimes.supervision.reaper import Reaper
from runtimes.supervision.stop import advance_all

PAUSE_S = 0.1


class Command(BaseCommand):
    help = (
        "End every engine on this machine and change nothing of what is wanted: wanted"
        " models are started again by the worker. Stop the roles first."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ended = stop_engines()
        except DatabaseError as error:
            raise CommandError(
                _("The database cannot be used: %(error)s") % {"error": error}
            ) from error
        self.stdout.write(_("engines stopped: %(count)s") % {"count": ended})


def stop_engines() -> int:
    here = Run.objects.live().filter(node=settings.NODE_NAME)
    runs = list(here.select_related("model"))
    for run in runs:
        request_run_stop(run, "restarted", {}, drain_s=0)
    # Once for SIGTERM, once for SIGKILL, once for the kernel to clean up.
    deadline = time.monotonic() + 3 * settings.TERMINATE_SECONDS
    while here.exists() and time.monotonic() < deadline:
        advance_all()
        time.sleep(PAUSE_S)
    reaped = Reaper(grace_s=0).step()
    if here.exists():
        left = ", ".join(here.values_list("uid", flat=True))
        raise CommandError(_("Still running: %(runs)s") % {"runs": left})
    return len(runs) + len(reaped)
