"""The section "queries" of benchmarks/monitoring.py, in a process of its own. Its
environment names an empty database; the argument is a number of models."""

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import django
from django.core.management import call_command

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["DJANGO_SETTINGS_MODULE"] = "llmplatform.settings"
django.setup()

from monitoring.history.params import HistoryQuery  # noqa: E402
from monitoring.history.query import run_query  # noqa: E402

ROUNDS = 40
ALLOWED_MS = 150
GPU_METRICS = [
    "gpu_utilization",
    "gpu_memory_utilization",
    "gpu_memory_used",
    "gpu_temperature",
    "gpu_power",
    "gpu_clock_sm",
]
MODEL_METRICS = ["requests", "completion_tokens", "response_time"]
DAY_S = 86_400


def main(models: int) -> None:
    call_command("migrate", verbosity=0)
    begun = time.perf_counter()
    call_command("seed_metrics", "--days=30", "--gpus=8", f"--models={models}")
    print(f"  seeded in {time.perf_counter() - begun:.0f} s")
    p95 = measure("30 d, 8 GPUs, 6 metrics", 30 * DAY_S, GPU_METRICS)
    measure("7 d, 8 GPUs, 6 metrics", 7 * DAY_S, GPU_METRICS, rounds=10)
    measure("24 h, 8 GPUs, 6 metrics", DAY_S, GPU_METRICS)
    measure(f"30 d, {models} models, 3 metrics", 30 * DAY_S, MODEL_METRICS)
    assert p95 <= ALLOWED_MS, f"p95 {p95:.0f} ms is above {ALLOWED_MS} ms"


def measure(what: str, span: int, metrics: list[str], rounds: int = ROUNDS) -> float:
    end = int(time.time())
    query = HistoryQuery(start=end - span, end=end, metrics=metrics)
    answer = run_query(query)
    times = [milliseconds(lambda: run_query(query)) for _ in range(rounds)]
    p95 = statistics.quantiles(times, n=20)[-1]
    print(
        f"  {what:<28} {answer.tier:>4} {len(answer.times) * len(answer.series):>7}"
        f" points  median {statistics.median(times):>4.0f} ms  p95 {p95:>4.0f} ms",
        flush=True,
    )
    return p95


def milliseconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    main(int(sys.argv[1]))
