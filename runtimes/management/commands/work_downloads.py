from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runtimes.downloads.hubs.fetcher import end_with
from runtimes.downloads.work import work


class Command(BaseCommand):
    help = "Download what is due, one model. Started by the worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("parent", type=int, help="pid of the process to end with")

    def handle(self, *args: Any, **options: Any) -> None:
        end_with(options["parent"])
        work()
