"""Sizes that no machine can ever provide. Rejected when a model is saved, unless
forced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from common.problems import Problem, out_of_range
from runtimes.inspection import missing_parts_of
from runtimes.models import Gpu
from runtimes.ports import Capacity, planner
from runtimes.registry import framework


def problems(fields: Mapping[str, Any]) -> Iterator[Problem]:
    yield from missing_parts_of(fields)
    yield from too_large(fields)


def too_large(fields: Mapping[str, Any]) -> Iterator[Problem]:
    """No size is refused while no machine is known: the first one is yet to come."""
    most = planner.get().capacity()
    if most is None:
        return
    field, cores = cores_of(fields)
    if cores > most.cpu_cores:
        yield out_of_range(field, cores, 1, most.cpu_cores)
    if fields["memory_mib"] > most.memory_mib:
        yield out_of_range("memory_mib", fields["memory_mib"], 0, most.memory_mib)
    if fields["gpu_count"] > most.gpu_count:
        problem = out_of_range("gpu_count", fields["gpu_count"], 0, most.gpu_count)
        yield problem if most.gpu_count else _without_gpus(problem)
    elif fields["gpu_count"]:
        yield from _gpus(fields, most)


def cores_of(fields: Mapping[str, Any]) -> tuple[str, int]:
    """How many, and by which field; without GPUs, as many as the engine has threads."""
    if fields["cpu_cores"] or fields["gpu_count"]:
        return "cpu_cores", fields["cpu_cores"] or 1
    rules = framework(fields["framework"])
    return "config.n_threads", rules.cpu_cores(fields["config"])


def _without_gpus(problem: Problem) -> Problem:
    return replace(problem, params={**problem.params, "no_gpus": True})


def _gpus(fields: Mapping[str, Any], most: Capacity) -> Iterator[Problem]:
    gpus = Gpu.objects.filter(present=True)
    known = sorted(gpus.values_list("uuid", flat=True))
    for uuid in fields.get("pinned_gpus") or []:
        if uuid not in known:
            params = {"value": uuid, "allowed": known}
            yield Problem(code="unknown_gpu", field="pinned_gpus", params=params)
    limit = most.gpu_mib * fields["gpu_count"]
    if fields["gpu_memory_mib"] > limit:
        yield out_of_range("gpu_memory_mib", fields["gpu_memory_mib"], 0, limit)
