"""Whether a model can be started on this machine, judged without starting anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from common.problems import Problem
from models_app.models import Run
from runtimes.frameworks.base import Contents, Framework
from runtimes.frameworks.engines import Engine
from runtimes.installations import discovery
from runtimes.library import hub_cache
from runtimes.registry import framework


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """problems: why it can never be started here. The other fields are None where the
    problems, or the driver, leave nothing to inspect. config: with the folder of a
    downloaded model of a hub. knows: whether the engine knows the architecture."""

    problems: tuple[Problem, ...]
    config: Mapping[str, Any] | None = None
    contents: Contents | None = None
    engine: Engine | None = None
    knows: bool | None = None


def inspect_run(run: Run) -> Inspection:
    rules = framework(run.framework)
    return inspect(rules, run.driver, run.config, len(run.gpu_uuids))


def inspect(
    rules: Framework, driver: str, config: Mapping[str, Any], gpu_count: int
) -> Inspection:
    found = rules.check(config, model_roots=settings.MODEL_ROOTS, gpu_count=gpu_count)
    if found:
        return Inspection(problems=tuple(found))
    problems = [*missing_parts(rules, driver, config, gpu_count)]
    local = _with_local_files(rules, config)
    contents = rules.contents(local) if local else None
    if isinstance(contents, Problem):
        problems.append(contents)
        contents = None
    if contents:
        problems += rules.kind_problems(config, contents.kind)
    engine = None
    if driver == discovery.LOCAL_DRIVER:
        engine = discovery.find(rules.engine(config, gpu_count))
    knows = None
    if contents and engine:
        knows = rules.knows(engine, contents.architectures)
    if contents and engine and knows is False:
        problems.append(_unknown_architecture(engine, contents))
    return Inspection(
        problems=tuple(problems),
        config=local,
        contents=contents,
        engine=engine,
        knows=knows,
    )


def detected_fields(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """model_kind, empty if not known, and the config with the settings that a model of
    this kind needs. Leaves a config with problems as it is, and reads no file of it."""
    rules = framework(name)
    if rules.check(config, model_roots=settings.MODEL_ROOTS):
        return {"model_kind": "", "config": config}
    local = _with_local_files(rules, config)
    contents = rules.contents(local) if local else None
    if not isinstance(contents, Contents):
        return {"model_kind": "", "config": config}
    needed = rules.kind_settings(contents.kind)
    return {"model_kind": contents.kind.value, "config": {**needed, **config}}


def _with_local_files(
    rules: Framework, config: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """None: its files are not on this machine, or not all of them."""
    model = rules.hub_model(config)
    if not model:
        return config
    folder = hub_cache.folder(model)
    if folder is None or settings.ENGINE_DOWNLOADS:
        return None
    return {**config, rules.model_key: str(folder)}


def _unknown_architecture(engine: Engine, contents: Contents) -> Problem:
    params: dict[str, object] = {
        "engine": engine.title,
        "architecture": list(contents.architectures),
    }
    return Problem(code="architecture_unknown", field="config", params=params)


def missing_parts(
    rules: Framework, driver: str, config: Mapping[str, Any], gpu_count: int
) -> Iterator[Problem]:
    """Engine or downloaded files. For a config without problems."""
    engine = rules.engine(config, gpu_count)
    if driver == discovery.LOCAL_DRIVER and not discovery.find(engine):
        field = "config.engine" if "engine" in config else "framework"
        yield discovery.missing(engine, field)
    if model := rules.hub_model(config):
        offline = hub_cache.offline(model, f"config.{rules.model_key}")
        yield from [offline] if offline else []


def missing_parts_of(fields: Mapping[str, Any]) -> Iterator[Problem]:
    """For the fields of a model that is about to be saved."""
    rules = framework(fields["framework"])
    names = ("driver", "config", "gpu_count")
    yield from missing_parts(rules, *(fields[name] for name in names))
