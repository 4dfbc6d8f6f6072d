from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runtimes.installations.pulls import work


class Command(BaseCommand):
    help = "Pull an image that was asked for. Started by the worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("uid")

    def handle(self, *args: Any, **options: Any) -> None:
        work(options["uid"])
