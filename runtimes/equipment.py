"""What this machine adds to a placed run: the program of its engine, and sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, cast

from django.conf import settings
from django.db.models import Min

from models_app import plugins
from models_app.exceptions import AnyProblem
from models_app.models import Run
from runtimes import hub, installations
from runtimes.frameworks.base import Framework, Placement
from runtimes.models import Gpu
from runtimes.registry import framework


def problems_of(run: Run) -> Iterator[AnyProblem]:
    """Why it can never be started here."""
    gpu_count = len(run.gpu_uuids)
    rules = framework(run)
    found = rules.check(
        run.config, model_roots=settings.MODEL_ROOTS, gpu_count=gpu_count
    )
    yield from found
    if not found:
        yield from lacking(rules, run.driver, run.config, gpu_count)


def lacking(
    rules: Framework, driver: str, config: Mapping[str, Any], gpu_count: int
) -> Iterator[AnyProblem]:
    """For a config without problems."""
    engine = rules.engine(config, gpu_count)
    if driver == installations.LOCAL_DRIVER and not installations.find(engine):
        field = "config.engine" if "engine" in config else "framework"
        yield installations.missing(engine, field)
    if model := rules.hub_model(config):
        offline = hub.offline(model, "config.model_name")
        yield from [offline] if offline else []


def lacking_of(fields: Mapping[str, Any]) -> Iterator[AnyProblem]:
    """Of a model that is about to be saved."""
    rules = cast(Framework, plugins.framework(fields["framework"]))
    names = ("driver", "config", "gpu_count")
    yield from lacking(rules, *(fields[name] for name in names))


def equipped(run: Run, placement: Placement) -> Placement:
    gpus = len(run.gpu_uuids)
    known = Gpu.objects.filter(uuid__in=run.gpu_uuids)
    return dataclasses.replace(
        placement,
        program=_program(run),
        memory_mib=run.memory_mib,
        # As the planner books it
        gpu_share_mib=-(-run.model.gpu_memory_mib // gpus) if gpus else 0,
        gpu_total_mib=known.aggregate(mib=Min("memory_mib"))["mib"] or 0,
        downloads=settings.ENGINE_DOWNLOADS,
    )


def _program(run: Run) -> str:
    if run.driver != installations.LOCAL_DRIVER:
        return ""
    name = framework(run).engine(run.config, len(run.gpu_uuids))
    engine = installations.find(name)
    return engine.program if engine else ""
