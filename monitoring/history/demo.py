"""Generate the history of a busy team's days and nights, for demos and benchmarks.

The same seed and end give the same history.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monitoring.history.aggregation import histogram
from monitoring.history.aggregation.bucket_values import Distribution, Values

DAY_S = 86_400
GPU_MIB = 81_920
# Relative deviation of minimum and maximum from the mean of a bucket
SPREAD = 0.08
TOKENS_IN, TOKENS_OUT = 700, 250


@dataclass(frozen=True, slots=True)
class DemoSource:
    kind: str
    key: str
    name: str
    bucket: Callable[[LoadProfile, float, int], Values]


class LoadProfile:
    """Load between 0 and 1: office hours, quiet weekends and some random drift."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)  # noqa: S311 -- demo data
        self.size = self.random.uniform(0.4, 1.0)
        self.shift_h = self.random.uniform(-1.5, 1.5)
        self.drift = 0.0

    def at(self, moment: int) -> float:
        hour = (moment / 3600 + self.shift_h) % 24
        day = math.sin(math.pi * (hour - 7) / 14) if 7 < hour < 21 else 0.0
        weekend = (moment // DAY_S + 3) % 7 >= 5
        self.drift = 0.98 * self.drift + self.random.gauss(0, 0.03)
        load = 0.04 + self.size * day * (0.3 if weekend else 0.9) + self.drift
        return min(1.0, max(0.0, load))


def _gauge(mean: float, seconds: int, limit: float = math.inf) -> list[float]:
    low, high = round(mean * (1 - SPREAD), 2), min(limit, round(mean * (1 + SPREAD), 2))
    mean = round(min(mean, limit), 2)
    return [min(low, mean), max(high, mean), round(mean * seconds, 2), seconds]


def _constant(value: float, seconds: int) -> list[float]:
    return [value, value, value * seconds, seconds]


def _counter(total: float, seconds: int) -> list[float]:
    """Whole numbers, spread evenly over the seconds."""
    number = int(total)
    return [number // seconds, -(-number // seconds), number, seconds]


def _durations(profile: LoadProfile, number: int, typical_s: float) -> Distribution:
    """Distributed around the typical duration, with a tail."""
    counts: dict[str, int] = {}
    left = number
    for offset, share in ((0, 0.5), (-1, 0.5), (1, 0.6), (2, 0.7), (4, 1.0)):
        part = left if share == 1.0 else int(left * share)
        bucket = str(max(0, histogram.index(typical_s) + offset))
        if part:
            counts[bucket] = counts.get(bucket, 0) + part
        left -= part
    total = number * typical_s * profile.random.uniform(0.9, 1.2)
    return {"sum": round(total, 3), "counts": counts}


def gpu(profile: LoadProfile, load: float, seconds: int) -> Values:
    used = GPU_MIB * (0.55 + 0.3 * profile.size) if load > 0.02 else 600
    return {
        "gpu_utilization": _gauge(100 * load, seconds, 100),
        "gpu_memory_utilization": _gauge(60 * load, seconds, 100),
        "gpu_memory_used": _gauge(int(used), seconds, GPU_MIB),
        "gpu_memory_total": _constant(GPU_MIB, seconds),
        "gpu_temperature": _gauge(34 + 42 * load, seconds),
        "gpu_power": _gauge(75 + 590 * load, seconds, 700),
        "gpu_power_limit": _constant(700, seconds),
        "gpu_clock_sm": _gauge(345 + 1635 * min(1, 3 * load), seconds, 1980),
        "gpu_clock_memory": _constant(2619, seconds),
    }


def model(profile: LoadProfile, load: float, seconds: int) -> Values:
    requests = int(load * 2.5 * seconds * profile.random.uniform(0.7, 1.3))
    failed = requests // 50 if profile.random.random() < 0.01 else 0
    took = 1.5 + 4 * load
    return {
        "requests": _counter(requests, seconds),
        "errors": _counter(failed, seconds),
        "refused": _counter(requests * 0.05 if load > 0.9 else 0, seconds),
        "cancelled": _counter(requests * 0.01, seconds),
        "prompt_tokens": _counter(requests * TOKENS_IN, seconds),
        "completion_tokens": _counter(requests * TOKENS_OUT, seconds),
        "request_seconds_in_flight": _counter(requests * took, seconds),
        "kv_cache_usage": _gauge(0.05 + 0.8 * load, seconds, 1),
        "engine_requests_running": _gauge(8 * load, seconds),
        "engine_requests_waiting": _gauge(max(0.0, 12 * (load - 0.7)), seconds),
        "response_time": _durations(profile, requests, took),
        "time_to_first_token": _durations(profile, requests, took / 10),
        "time_per_token": _durations(profile, requests, took / TOKENS_OUT),
    }


def host(profile: LoadProfile, load: float, seconds: int) -> Values:
    total, disk = 512_000, 1_900_000
    used = int(total * (0.2 + 0.5 * load))
    return {
        "cpu_utilization": _gauge(5 + 60 * load, seconds, 100),
        "cpu_core_utilization_max": _gauge(20 + 80 * load, seconds, 100),
        "load_1m": _gauge(1 + 60 * load, seconds),
        "memory_used": _gauge(used, seconds, total),
        "memory_total": _constant(total, seconds),
        "memory_available": _gauge(total - used, seconds, total),
        "swap_used": _constant(0, seconds),
        "swap_total": _constant(8192, seconds),
        "disk_data_used": _constant(640_000, seconds),
        "disk_data_free": _constant(disk - 640_000, seconds),
        "disk_data_total": _constant(disk, seconds),
        "disk_read_bytes": _counter(load * 3e7 * seconds, seconds),
        "disk_written_bytes": _counter((1 + load) * 2e6 * seconds, seconds),
        "network_received_bytes": _counter((0.1 + load) * 5e6 * seconds, seconds),
        "network_sent_bytes": _counter((0.1 + load) * 9e6 * seconds, seconds),
    }


def sources(gpus: int, models: int) -> Iterator[DemoSource]:
    yield DemoSource("host", "demo-host", "demo-host", host)
    for index in range(gpus):
        name = f"demo-host/{index} Demo 80GB"
        yield DemoSource("gpu", f"GPU-demo-{index}", name, gpu)
    for index in range(models):
        yield DemoSource("model", f"demo-{index}", f"demo-model-{index:02}", model)
