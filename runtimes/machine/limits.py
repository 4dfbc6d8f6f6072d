"""What no machine could ever give: refused when a model is saved, unless forced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Count, Max, Q

from common.problems import Problem, out_of_range
from runtimes.equipment import lacking_of
from runtimes.models import Gpu, Node
from runtimes.registry import framework


def problems(fields: Mapping[str, Any]) -> Iterator[Problem]:
    yield from lacking_of(fields)
    yield from too_large(fields)


def too_large(fields: Mapping[str, Any]) -> Iterator[Problem]:
    """No size is refused while no machine is known: the first one is yet to come."""
    most = Node.objects.annotate(
        gpu_number=Count("gpus", filter=Q(gpus__present=True))
    ).aggregate(
        cpu_cores=Max("cpu_cores"), memory_mib=Max("memory_mib"), gpus=Max("gpu_number")
    )
    if most["cpu_cores"] is None:
        return
    field, cores = cores_of(fields)
    if cores > most["cpu_cores"]:
        yield out_of_range(field, cores, 1, most["cpu_cores"])
    if fields["memory_mib"] > most["memory_mib"]:
        yield out_of_range("memory_mib", fields["memory_mib"], 0, most["memory_mib"])
    if fields["gpu_count"] > most["gpus"]:
        yield out_of_range("gpu_count", fields["gpu_count"], 0, most["gpus"])
    elif fields["gpu_count"]:
        yield from _gpus(fields)


def cores_of(fields: Mapping[str, Any]) -> tuple[str, int]:
    """How many, and by which field; without GPUs, as many as the engine has threads."""
    if fields["cpu_cores"] or fields["gpu_count"]:
        return "cpu_cores", fields["cpu_cores"] or 1
    rules = framework(fields["framework"])
    return "config.n_threads", rules.cpu_cores(fields["config"])


def _gpus(fields: Mapping[str, Any]) -> Iterator[Problem]:
    gpus = Gpu.objects.filter(present=True)
    known = sorted(gpus.values_list("uuid", flat=True))
    for uuid in fields.get("pinned_gpus") or []:
        if uuid not in known:
            params = {"value": uuid, "allowed": known}
            yield Problem(code="unknown_gpu", field="pinned_gpus", params=params)
    largest = gpus.aggregate(mib=Max("memory_mib"))["mib"] or 0
    limit = largest * fields["gpu_count"]
    if fields["gpu_memory_mib"] > limit:
        yield out_of_range("gpu_memory_mib", fields["gpu_memory_mib"], 0, limit)
