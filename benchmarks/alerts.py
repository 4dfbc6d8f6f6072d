"""A tick of 200 rules on 500 series, and a backtest of 30 days of 8 GPUs, in time.

    python benchmarks/alerts.py

Uses a database of its own, in a temporary folder. Prints; never fails for being slow.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import django
from django.core.management import call_command

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
FOLDER = tempfile.TemporaryDirectory(prefix="llmplatform-bench-")
os.environ["DATA_DIR"] = FOLDER.name
os.environ["DJANGO_SETTINGS_MODULE"] = "llmplatform.settings"
django.setup()

from monitoring.alerts.backtest import backtest  # noqa: E402
from monitoring.alerts.manager import Manager  # noqa: E402
from monitoring.alerts.models import AlertRule  # noqa: E402
from monitoring.history.aggregation.bucket_values import (  # noqa: E402
    Values,
    add_number,
)
from monitoring.models import Source  # noqa: E402

GPUS, RULES, TICKS = 50, 200, 60
GOAL_TICK_MS, GOAL_BACKTEST_MS = 20, 1000
METRICS = [
    "gpu_utilization", "gpu_memory_utilization", "gpu_memory_used", "gpu_memory_total",
    "gpu_temperature", "gpu_power", "gpu_power_limit", "gpu_clock_sm",
    "gpu_clock_memory", "gpu_unavailable",
]  # fmt: skip


def main() -> None:
    call_command("migrate", verbosity=0)
    tick()
    backtests()


def tick() -> None:
    """Every rule looks at the GPUs of one metric, over windows of up to 5 minutes."""
    AlertRule.objects.all().delete()
    AlertRule.objects.bulk_create(
        AlertRule(
            name=f"Rule {n}", metric=METRICS[n % len(METRICS)], aggregate="avg",
            window_s=(10, 30, 60, 300)[n % 4], threshold=90, for_s=60,
        )
        for n in range(RULES)
    )  # fmt: skip
    manager, rng, begun = Manager(), random.Random(1), int(time.time())
    opened: dict[int, Values] = {}
    times = []
    for now in range(begun - 300, begun + TICKS):
        for gpu in range(GPUS):
            if now % 10 == 0 or gpu not in opened:
                opened[gpu] = {}
            for metric in METRICS:
                add_number(opened[gpu], metric, rng.uniform(0, 80))
            source = "gpu", f"GPU-{gpu}"
            manager.windows.put(source, "H100", now // 10 * 10, "w", opened[gpu])
        if now >= begun:
            times.append(milliseconds(lambda at=now: manager.evaluate(at)))
    report(f"tick of {RULES} rules, {GPUS * len(METRICS)} series", times, GOAL_TICK_MS)


def backtests() -> None:
    call_command("seed_metrics", "--days=30", "--gpus=8", "--models=1", verbosity=0)
    Source.objects.update(demo=False)
    for threshold in (95, 80, 50):
        rule = AlertRule(
            name="Busy", metric="gpu_utilization", aggregate="avg", window_s=60,
            threshold=threshold, for_s=600,
        )  # fmt: skip
        found = backtest(rule, 30)
        times = [milliseconds(lambda rule=rule: backtest(rule, 30)) for _ in range(10)]
        what = f"backtest, 30 d, 8 GPUs, above {threshold}% ({found.fired} times)"
        report(what, times, GOAL_BACKTEST_MS)


def milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def report(what: str, times: list[float], goal_ms: int) -> None:
    median, worst = statistics.median(times), max(times)
    print(
        f"{what:<52} median {median:7.1f} ms  max {worst:7.1f} ms"
        f"  goal {goal_ms} ms  ratio {median / goal_ms:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    with FOLDER:
        main()
