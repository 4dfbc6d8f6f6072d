"""What this machine adds to a placed run: the program of its engine, and sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Min

from common.problems import Problem
from models_app.models import Run
from runtimes.frameworks.base import Contents, Framework, Placement
from runtimes.frameworks.engines import Engine
from runtimes.installations import discovery
from runtimes.library import hub_cache
from runtimes.models import Gpu
from runtimes.registry import framework


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """problems: why it can never be started here. What could not be looked at because
    of them is None, as is what others than this machine have. config: with the folder
    of a model of a hub; None: its files are not here."""

    problems: tuple[Problem, ...]
    config: Mapping[str, Any] | None = None
    contents: Contents | None = None
    engine: Engine | None = None
    knows: bool | None = None


def problems_of(run: Run) -> tuple[Problem, ...]:
    return look(
        framework(run.framework), run.driver, run.config, len(run.gpu_uuids)
    ).problems


def look(
    rules: Framework, driver: str, config: Mapping[str, Any], gpu_count: int
) -> Findings:
    """At all that starting it needs, without starting anything."""
    found = rules.check(config, model_roots=settings.MODEL_ROOTS, gpu_count=gpu_count)
    if found:
        return Findings(problems=tuple(found))
    problems = [*lacking(rules, driver, config, gpu_count)]
    here = _here(rules, config)
    contents = rules.contents(here) if here else None
    if isinstance(contents, Problem):
        problems.append(contents)
        contents = None
    engine = None
    if driver == discovery.LOCAL_DRIVER:
        engine = discovery.find(rules.engine(config, gpu_count))
    knows = None
    if contents and engine:
        knows = rules.knows(engine, contents.architectures)
    if contents and engine and knows is False:
        problems.append(_unknown(engine, contents))
    return Findings(
        problems=tuple(problems),
        config=here,
        contents=contents,
        engine=engine,
        knows=knows,
    )


def _here(rules: Framework, config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """None: its files are not here yet, or not all of them."""
    model = rules.hub_model(config)
    if not model:
        return config
    folder = hub_cache.folder(model)
    if folder is None or settings.ENGINE_DOWNLOADS:
        return None
    return {**config, rules.model_key: str(folder)}


def _unknown(engine: Engine, contents: Contents) -> Problem:
    params: dict[str, object] = {
        "engine": engine.title,
        "architecture": list(contents.architectures),
    }
    return Problem(code="architecture_unknown", field="config", params=params)


def lacking(
    rules: Framework, driver: str, config: Mapping[str, Any], gpu_count: int
) -> Iterator[Problem]:
    """For a config without problems."""
    engine = rules.engine(config, gpu_count)
    if driver == discovery.LOCAL_DRIVER and not discovery.find(engine):
        field = "config.engine" if "engine" in config else "framework"
        yield discovery.missing(engine, field)
    if model := rules.hub_model(config):
        offline = hub_cache.offline(model, f"config.{rules.model_key}")
        yield from [offline] if offline else []


def lacking_of(fields: Mapping[str, Any]) -> Iterator[Problem]:
    """Of a model that is about to be saved."""
    rules = framework(fields["framework"])
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
    if run.driver != discovery.LOCAL_DRIVER:
        return ""
    name = framework(run.framework).engine(run.config, len(run.gpu_uuids))
    engine = discovery.find(name)
    return engine.program if engine else ""
