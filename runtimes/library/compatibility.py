"""Entries that no engine installed on this machine can serve."""

from __future__ import annotations

from collections.abc import Iterable

from common.problems import Problem
from runtimes.frameworks.base import Config
from runtimes.frameworks.engines import Engine
from runtimes.installations import discovery
from runtimes.library.scanner.entries import Entry
from runtimes.registry import framework


def incompatibilities(entries: Iterable[Entry]) -> dict[str, Problem]:
    """By path. Only entries that can be added otherwise are checked."""
    engines: dict[str, list[Engine]] = {}
    found: dict[str, Problem] = {}
    for entry in filter(lambda each: each.addable, entries):
        name = entry.candidate.framework
        if name not in engines:
            engines[name] = _engines(name, entry.config)
        if problem := _incompatibility(entry, engines[name]):
            found[entry.path] = problem
    return found


def _engines(name: str, config: Config) -> list[Engine]:
    """Installed engines that the framework would use with and without GPUs."""
    rules = framework(name)
    names = dict.fromkeys(rules.engine(config, gpus) for gpus in (0, 1))
    return [engine for engine in map(discovery.find, names) if engine]


def _incompatibility(entry: Entry, engines: list[Engine]) -> Problem | None:
    rules = framework(entry.candidate.framework)
    if not engines:
        return discovery.missing(rules.engine(entry.config, 0), "framework")
    names = entry.architecture.split(", ") if entry.architecture else []
    if any(rules.knows(engine, names) is not False for engine in engines):
        return None
    titles = ", ".join(engine.title for engine in engines)
    params = {"engine": titles, "architecture": names}
    return Problem(code="architecture_unknown", field="config", params=params)
