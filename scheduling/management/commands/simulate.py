import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from scheduling.simulation.scenario import Figures, Rates, Scale, quantile
from scheduling.simulation.world import simulate

# Argument: type, default, allowed
ARGUMENTS: dict[str, tuple[type[int] | type[float], float, tuple[float, float]]] = {
    "nodes": (int, 4, (1, 2_000)),
    "gpus-per-node": (int, 8, (1, 16)),
    "models": (int, 60, (1, 50_000)),
    "hours": (float, 24, (0.1, 8_760)),
    "seed": (int, 1, (0, 2**32 - 1)),
}


class Command(BaseCommand):
    help = (
        "Run the planner against simulated machines, users, crashes and GPU losses."
        " The same seed gives the same figures, but for the planner's own time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        for name, (kind, default, (least, most)) in ARGUMENTS.items():
            parser.add_argument(
                f"--{name}", type=kind, default=default, help=f"{least} to {most}"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        for name, (_kind, _default, (least, most)) in ARGUMENTS.items():
            check(name, options[name.replace("-", "_")], least, most)
        scale = Scale(
            nodes=options["nodes"],
            gpus_per_node=options["gpus_per_node"],
            models=options["models"],
            hours=options["hours"],
            seed=options["seed"],
        )
        figures = simulate(scale, Rates(), time.perf_counter)
        self.stdout.write("\n".join([*report(figures), planner_time(figures)]))


def check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise CommandError(
            _("--%(name)s must be between %(min)s and %(max)s, not %(value)s.")
            % {"name": name, "value": value, "min": least, "max": most}
        )


def report(figures: Figures) -> list[str]:
    waits_line = _(
        "priority %(priority)s: median %(median)s s, p95 %(p95)s s, %(count)s waits"
    )
    return [
        _("GPU utilisation: %(percent)s %%")
        % {"percent": f"{100 * figures.utilisation:.1f}"},
        _("Waiting time until placement:"),
        *(
            "  "
            + waits_line
            % {
                "priority": priority,
                "median": round(quantile(waits, 0.5)),
                "p95": round(quantile(waits, 0.95)),
                "count": len(waits),
            }
            for priority, waits in sorted(figures.waits.items(), reverse=True)
        ),
        _("Evictions: %(count)s") % {"count": figures.evictions},
        _("Restarts: %(count)s") % {"count": figures.restarts},
        _("GPUs lost: %(count)s") % {"count": figures.gpus_lost},
        _("Models abandoned: %(count)s") % {"count": len(figures.given_up)},
    ]


def planner_time(figures: Figures) -> str:
    times = [1000 * seconds for seconds in figures.plans]
    return _(
        "Planner: %(count)s plans; median %(median)s ms, p95 %(p95)s ms, max %(max)s ms"
    ) % {
        "count": len(times),
        "median": f"{quantile(times, 0.5):.1f}",
        "p95": f"{quantile(times, 0.95):.1f}",
        "max": f"{max(times, default=0):.1f}",
    }
