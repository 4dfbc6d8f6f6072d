"""An entry as a served model: all fields that the form of a new one needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.conf import settings
from django.db.models import Count, Max, Q

from models_app.models import ServedModel
from models_app.plugins import framework
from runtimes import installations
from runtimes.enums import GpuMode
from runtimes.frameworks.base import Config, Estimate, Framework
from runtimes.library.entries import Entry
from runtimes.library.names import name_of
from runtimes.models import Gpu, Node

DRIVER = "process"
DISPLAY_NAME_CHARS = 200
GPU_COUNTS = (1, 2, 4, 8)


def new_model(entry: Entry) -> dict[str, Any]:
    """Of an entry that can be added. Saved as it is, it can be started."""
    about = entry.candidate
    taken = set(ServedModel.objects.values_list("name", flat=True))
    return {
        "name": name_of(about.title, taken),
        "display_name": about.title[:DISPLAY_NAME_CHARS],
        "framework": about.framework,
        "driver": DRIVER,
        "config": dict(entry.config),
        **_resources(about.framework, entry.config),
    }


def _resources(name: str, config: Config) -> dict[str, int]:
    """On as few GPUs as have room for it, else on none."""
    rules = cast(Framework, framework(name))
    for gpus in _gpu_counts(rules, config):
        told = rules.memory(config, gpus)
        if isinstance(told, Estimate) and told.gpu.total_mib <= gpus * _room_mib():
            return _sizes(gpus, told.gpu.total_mib, told.host.total_mib)
    told = rules.memory(config, 0)
    return _sizes(0, 0, told.host.total_mib if isinstance(told, Estimate) else 0)


def _sizes(gpu_count: int, gpu_memory_mib: int, memory_mib: int) -> dict[str, int]:
    return {
        "gpu_count": gpu_count,
        "gpu_memory_mib": gpu_memory_mib,
        "memory_mib": memory_mib,
    }


def _gpu_counts(rules: Framework, config: Config) -> Iterator[int]:
    """Numbers of GPUs that a machine has and its engine can use."""
    engine = installations.find(rules.engine(config, 1))
    if engine is None or engine.accelerator == "cpu":
        return
    usable = Q(gpus__present=True, gpus__mode=GpuMode.OPEN)
    nodes = Node.objects.annotate(usable=Count("gpus", filter=usable))
    most = nodes.aggregate(most=Max("usable"))["most"] or 0
    for count in GPU_COUNTS:
        problems = rules.check(
            config, model_roots=settings.MODEL_ROOTS, gpu_count=count
        )
        if count <= most and not problems:
            yield count


def _room_mib() -> int:
    """On the largest GPU, less what the planner keeps free."""
    largest = Gpu.objects.filter(present=True).aggregate(mib=Max("memory_mib"))["mib"]
    return max(0, (largest or 0) - settings.GPU_RESERVE_MIB)
