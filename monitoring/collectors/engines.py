"""Collect the metrics that engines expose, summed over the replicas of a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from models_app.models import Run
from monitoring.collectors.counters import Increments
from runtimes.frameworks.metrics import EngineMetrics

# A busy engine may miss some scrapes.
VALID_S = 5.0
SUMS = ("engine_requests_running", "engine_requests_waiting")
COUNTERS = (
    "engine_prompt_tokens",
    "engine_generated_tokens",
    "prefix_cache_queries",
    "prefix_cache_hits",
)

Values = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Reading:
    at: float
    model_id: int
    name: str
    metrics: EngineMetrics


@dataclass(frozen=True, slots=True)
class Sample:
    """usages: KV cache usage of each replica; their sum would be meaningless."""

    model_id: int
    name: str
    values: Values
    usages: list[float]


class EngineCollector:
    def __init__(self) -> None:
        self.readings: dict[str, Reading] = {}
        self.increments = Increments()
        self.counted: dict[int, Values] = defaultdict(dict)

    def record(self, run: Run, metrics: EngineMetrics, now: float) -> None:
        self.readings[run.uid] = Reading(now, run.model_id, run.model.name, metrics)
        counted = self.counted[run.model_id]
        for name in COUNTERS:
            raw = getattr(metrics, name)
            if raw is None:
                continue
            increment = self.increments.since_last((run.uid, name), raw)
            if increment is not None:
                counted[name] = (counted.get(name) or 0) + increment

    def drain(self, now: float) -> Iterator[Sample]:
        """Counters are increments since the last call."""
        self.readings = {
            uid: reading
            for uid, reading in self.readings.items()
            if now - reading.at <= VALID_S
        }
        self.increments.retain(
            [key for key in self.increments.last if _uid(key) in self.readings]
        )
        counted, self.counted = self.counted, defaultdict(dict)
        by_model: dict[int, list[Reading]] = defaultdict(list)
        for reading in self.readings.values():
            by_model[reading.model_id].append(reading)
        for model_id, readings in by_model.items():
            yield _sample(model_id, readings, counted.get(model_id, {}))


def _uid(key: object) -> object:
    return key[0] if isinstance(key, tuple) else key


def _sample(model_id: int, readings: list[Reading], counted: Values) -> Sample:
    replicas = [reading.metrics for reading in readings]
    sums = {name: _sum(getattr(each, name) for each in replicas) for name in SUMS}
    usages = [r.kv_cache_usage for r in replicas if r.kv_cache_usage is not None]
    return Sample(model_id, readings[0].name, {**sums, **counted}, usages)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def gpu_memory(runs: Iterable[Run]) -> dict[int, tuple[str, int]]:
    """(name, measured MiB) by id of each model that uses GPU memory."""
    used: dict[int, tuple[str, int]] = {}
    for run in runs:
        known = [mib for mib in (run.gpu_used or {}).values() if mib is not None]
        if known:
            others = used.get(run.model_id, ("", 0))[1]
            used[run.model_id] = run.model.name, others + sum(known)
    return used
