import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from monitoring.monitor import Monitor


class Command(BaseCommand):
    help = "Monitor this machine and its engines every second, until SIGTERM."
    requires_migrations_checks = True

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stopping.set())
        monitor = Monitor()
        pause = 0.0
        while not stopping.wait(pause):
            pause = monitor.step()
        monitor.close()
