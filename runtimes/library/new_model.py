"""An entry as a served model: all fields that the form of a new one needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q

from models_app.models import ServedModel
from runtimes.enums import GpuMode
from runtimes.frameworks.base import Config, Framework
from runtimes.installations import discovery
from runtimes.library.scanner.entries import Entry
from runtimes.library.scanner.names import name_of
from runtimes.models import Gpu, Node
from runtimes.registry import framework
from runtimes.sizing import defaults

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
        "driver": discovery.LOCAL_DRIVER,
        **_placed(about.framework, entry.config),
    }


def _placed(name: str, config: Config) -> dict[str, Any]:
    """config and sizes: on as few GPUs as have room for it, else on none."""
    for variant, gpus in _on_gpus(framework(name), config):
        fields = {"framework": name, "config": variant, "gpu_count": gpus}
        sizes = defaults(fields)
        if 0 < sizes.get("gpu_memory_mib", 0) <= gpus * _room_mib():
            return {**fields, **sizes}
    fields = {"framework": name, "config": dict(config), "gpu_count": 0}
    return {**fields, "gpu_memory_mib": 0, "memory_mib": 0, **defaults(fields)}


def _on_gpus(rules: Framework, config: Config) -> Iterator[tuple[dict[str, Any], int]]:
    counts = [count for count in GPU_COUNTS if count <= _most_gpus()]
    for variant in _for_gpus(rules, config) if counts else ():
        for count in counts:
            if not rules.check(
                variant, model_roots=settings.MODEL_ROOTS, gpu_count=count
            ):
                yield variant, count


def _for_gpus(rules: Framework, config: Config) -> Iterator[dict[str, Any]]:
    """With the engine that the framework takes by itself, and with others."""
    others = [{**config, "engine": each.name} for each in discovery.installed()]
    for variant in [dict(config), *others]:
        if rules.check(variant, model_roots=settings.MODEL_ROOTS):
            continue  # an engine of another framework
        engine = discovery.find(rules.engine(variant, 1))
        if engine and engine.accelerator != "cpu":
            yield variant


def _most_gpus() -> int:
    """That any machine has for models."""
    usable = Q(gpus__present=True, gpus__mode=GpuMode.OPEN)
    nodes = Node.objects.annotate(usable=Count("gpus", filter=usable))
    return nodes.aggregate(most=Max("usable"))["most"] or 0


def _room_mib() -> int:
    """On the largest GPU, less what the planner keeps free."""
    largest = Gpu.objects.filter(present=True).aggregate(mib=Max("memory_mib"))["mib"]
    return max(0, (largest or 0) - settings.GPU_RESERVE_MIB)
