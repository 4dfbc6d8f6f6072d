from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common import job_runner, jobs
from common.processes import end_with


class Command(BaseCommand):
    help = "Run the jobs of one kind that are due. Started by the worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=[kind.name for kind in jobs.kinds()])
        parser.add_argument("parent", type=int, help="pid of the process to end with")

    def handle(self, *args: Any, **options: Any) -> None:
        end_with(options["parent"])
        job_runner.work(jobs.kind_named(options["kind"]))
