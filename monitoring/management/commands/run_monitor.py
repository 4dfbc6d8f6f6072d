import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.database import NewerDatabase, refuse_at_start
from monitoring.monitor import Monitor


class Command(BaseCommand):
    help = "Monitor this machine and its engines every second, until SIGTERM."
    requires_migrations_checks = True

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            refuse_at_start()
        except NewerDatabase as error:
            raise CommandError(str(error)) from error
        stopping = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stopping.set())
        monitor = Monitor()
        pause = 0.0
        while not stopping.wait(pause):
            pause = monitor.step()
        monitor.close()
