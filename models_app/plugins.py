"""Frameworks (what to start) and drivers (how), by name, imported on first use.

models_app does not know the app that implements them: settings name the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from models_app.exceptions import PlatformError


class ConfigProblem(Protocol):
    @property
    def code(self) -> str: ...
    @property
    def field(self) -> str: ...
    @property
    def params(self) -> Mapping[str, object]: ...


class ConfigRules(Protocol):
    """The part of a framework that models_app needs."""

    name: str

    def check(
        self, config: Mapping[str, object], *, model_roots: Sequence[Path]
    ) -> Sequence[ConfigProblem]: ...
    def cpu_cores(self, config: Mapping[str, object]) -> int: ...
    def sampling(self, config: Mapping[str, object]) -> dict[str, float]: ...


@cache
def _loaded(path: str) -> Any:
    return import_string(path)()


def framework(name: str) -> ConfigRules:
    """Raises PlatformError unknown_framework."""
    if name not in settings.FRAMEWORKS:
        raise PlatformError(
            "unknown_framework", value=name, allowed=list(settings.FRAMEWORKS)
        )
    rules: ConfigRules = _loaded(settings.FRAMEWORKS[name])
    return rules


def problems_of(name: str, config: Mapping[str, object]) -> Sequence[ConfigProblem]:
    return framework(name).check(config, model_roots=settings.MODEL_ROOTS)
