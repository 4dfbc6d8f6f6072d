"""What engines say of themselves, by model: replicas are added up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from models_app.models import Run
from monitoring.collectors.counters import Increments
from runtimes.frameworks.metrics import EngineMetrics

# A busy engine may leave some questions without an answer.
HOLDS_S = 5.0
SUMS = ("engine_requests_running", "engine_requests_waiting")
COUNTERS = (
    "engine_prompt_tokens",
    "engine_generated_tokens",
    "prefix_cache_queries",
    "prefix_cache_hits",
)

Values = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Said:
    at: float
    model_id: int
    name: str
    metrics: EngineMetrics


@dataclass(frozen=True, slots=True)
class Sample:
    """usages: of the KV cache of each replica, which mean nothing as a sum."""

    model_id: int
    name: str
    values: Values
    usages: list[float]


class Engines:
    def __init__(self) -> None:
        self.said: dict[str, Said] = {}
        self.increments = Increments()
        self.grown: dict[int, Values] = defaultdict(dict)

    def hear(self, run: Run, metrics: EngineMetrics, now: float) -> None:
        self.said[run.uid] = Said(now, run.model_id, run.model.name, metrics)
        grown = self.grown[run.model_id]
        for name in COUNTERS:
            raw = getattr(metrics, name)
            by = None if raw is None else self.increments.of((run.uid, name), raw)
            if by is not None:
                grown[name] = (grown.get(name) or 0) + by

    def take(self, now: float) -> Iterator[Sample]:
        """Increments since this was last called."""
        self.said = {u: s for u, s in self.said.items() if now - s.at <= HOLDS_S}
        self.increments.forget_all_but(
            [key for key in self.increments.last if _uid(key) in self.said]
        )
        grown, self.grown = self.grown, defaultdict(dict)
        of: dict[int, list[Said]] = defaultdict(list)
        for said in self.said.values():
            of[said.model_id].append(said)
        for model_id, parts in of.items():
            yield _sample(model_id, parts, grown.get(model_id, {}))


def _uid(key: object) -> object:
    return key[0] if isinstance(key, tuple) else key


def _sample(model_id: int, parts: list[Said], grown: Values) -> Sample:
    told = [part.metrics for part in parts]
    sums = {name: _sum(getattr(one, name) for one in told) for name in SUMS}
    usages = [one.kv_cache_usage for one in told if one.kv_cache_usage is not None]
    return Sample(model_id, parts[0].name, {**sums, **grown}, usages)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def gpu_memory(runs: Iterable[Run]) -> dict[int, tuple[str, int]]:
    """Measured MiB of each model that holds any, with its name."""
    held: dict[int, tuple[str, int]] = {}
    for run in runs:
        told = (run.gpu_used or {}).values()
        known = [mib for mib in told if mib is not None]
        if known:
            before = held.get(run.model_id, ("", 0))[1]
            held[run.model_id] = run.model.name, before + sum(known)
    return held
