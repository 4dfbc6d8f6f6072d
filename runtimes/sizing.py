"""How much memory a model needs: estimated from its files, and measured in its runs."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from common.exceptions import Invalid
from common.problems import Problem
from models_app.models import Run, ServedModel
from runtimes.frameworks.base import Estimate, Framework
from runtimes.registry import framework

# Newest runs of a model that are looked at
RUNS = 50
MOST_MIB = 64 * 2**20
# Runs that exceed the estimate by less are not worth an advice.
NOTABLE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """MiB of one replica: on all its GPUs, and of the host. None: unknown."""

    gpu_memory_mib: int | None
    memory_mib: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(Sizes):
    """The peak of all runs, each of them one replica."""

    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """Either estimate or problem is set. suggested: what to book, the larger of both
    where they are known. defaults: what is booked for a new model without sizes."""

    gpu_count: int
    estimate: Estimate | None
    problem: Problem | None
    measured: Measured | None
    suggested: Sizes
    defaults: Sizes
    advice: tuple[Problem, ...]


def sizing(model: ServedModel) -> Sizing:
    """For a model, saved or not. Raises Invalid for a config with problems."""
    gpu_count = model.gpu_count
    rules = framework(model.framework)
    problems = rules.check(
        model.config, model_roots=settings.MODEL_ROOTS, gpu_count=gpu_count
    )
    if problems:
        raise Invalid(problems)
    found = rules.memory(model.config, gpu_count)
    estimate = found if isinstance(found, Estimate) else None
    seen = measured(model)
    # A framework that fills its memory has taken what was booked, which shows nothing.
    relevant = None if rules.fills_memory else seen
    usual = _defaults(rules, estimate, model.config, gpu_count) if estimate else {}
    return Sizing(
        gpu_count=gpu_count,
        estimate=estimate,
        problem=None if isinstance(found, Estimate) else found,
        measured=seen,
        suggested=_suggested(estimate, relevant, gpu_count),
        defaults=Sizes(
            gpu_memory_mib=usual.get("gpu_memory_mib"),
            memory_mib=usual.get("memory_mib"),
        ),
        advice=tuple(_advice(estimate, relevant)),
    )


def measured(model: ServedModel) -> Measured | None:
    """By runs whose config takes as much memory as the present one."""
    if model.pk is None:
        return None
    ready = model.runs.filter(ready_at__isnull=False).order_by("-pk")[:RUNS]
    alike = [run for run in ready if _is_alike(run, model)]
    gpu = _most(run.gpu_peak_mib for run in alike)
    host = _most(run.memory_peak_mib for run in alike)
    if gpu is None and host is None:
        return None
    return Measured(gpu_memory_mib=gpu, memory_mib=host, runs=len(alike))


def defaults(fields: Mapping[str, Any]) -> dict[str, int]:
    """gpu_memory_mib and memory_mib of a new model that sets neither; empty where no
    estimate is possible. For fields of a config without problems."""
    rules = framework(fields["framework"])
    config, gpu_count = fields["config"], fields.get("gpu_count", 0)
    found = rules.memory(config, gpu_count)
    if not isinstance(found, Estimate):
        return {}
    return _defaults(rules, found, config, gpu_count)


def _defaults(
    rules: Framework, estimate: Estimate, config: Mapping[str, Any], gpu_count: int
) -> dict[str, int]:
    """A config with a share of the GPU gets no booking, which would be the limit."""
    sizes = {"memory_mib": estimate.host.total_mib}
    if gpu_count and rules.gpu_share_key not in config:
        sizes["gpu_memory_mib"] = estimate.gpu.total_mib
    # A file may claim more than anybody has.
    return sizes if max(sizes.values()) <= MOST_MIB else {}


def _is_alike(run: Run, model: ServedModel) -> bool:
    started = (run.framework, run.driver, len(run.gpu_uuids))
    if started != (model.framework, model.driver, model.gpu_count):
        return False
    ignored = framework(model.framework).weightless_keys
    return _without(ignored, run.config) == _without(ignored, model.config)


def _without(keys: Container[str], config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


def _most(sizes: Iterable[int | None]) -> int | None:
    return max((size for size in sizes if size is not None), default=None)


def _suggested(
    estimate: Estimate | None, seen: Measured | None, gpu_count: int
) -> Sizes:
    gpu = [seen.gpu_memory_mib] if seen else []
    host = [seen.memory_mib] if seen else []
    if estimate:
        gpu.append(estimate.gpu.total_mib)
        host.append(estimate.host.total_mib)
    return Sizes(
        gpu_memory_mib=_most(gpu) if gpu_count else None, memory_mib=_most(host)
    )


def _advice(estimate: Estimate | None, seen: Measured | None) -> Iterator[Problem]:
    if estimate is None or seen is None:
        return
    pairs = (
        ("gpu_memory_mib", estimate.gpu.total_mib, seen.gpu_memory_mib),
        ("memory_mib", estimate.host.total_mib, seen.memory_mib),
    )
    for field, expected, taken in pairs:
        if taken is not None and taken > expected * (1 + NOTABLE):
            params = {"field": field, "estimated": expected, "measured": taken}
            yield Problem(code="use_measured", field=field, params=params)
