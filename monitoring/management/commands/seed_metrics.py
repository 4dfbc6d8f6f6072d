import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from monitoring.history import seed
from monitoring.history.tiers import HOUR_S


class Command(BaseCommand):
    help = "Generate demo history of GPUs and models that do not exist."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=30)
        parser.add_argument("--gpus", type=int, default=8)
        parser.add_argument("--models", type=int, default=20)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--fine", action="store_true", help="last two days in 10 s buckets"
        )
        parser.add_argument(
            "--clear", action="store_true", help="delete the demo history"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["clear"]:
            removed = seed.clear()
            self.stdout.write(_("sources removed: %(count)s") % {"count": removed})
            return
        plan = seed.Plan(
            end=int(time.time()) // HOUR_S * HOUR_S,
            **{
                name: options[name]
                for name in ("days", "gpus", "models", "seed", "fine")
            },
        )
        rows = seed.seed(plan)
        self.stdout.write(_("rows written: %(count)s") % {"count": rows})
