"""Frameworks (what to start) and drivers (how), by name, imported on first use.

models_app does not know the app that implements them: settings name the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from common.exceptions import PlatformError
from common.problems import Problem

if TYPE_CHECKING:
    from models_app.models import Run


class ConfigRules(Protocol):
    """The part of a framework that models_app needs."""

    name: str

    def keys(self) -> Sequence[str]: ...
    def check(
        self,
        config: Mapping[str, object],
        *,
        model_roots: Sequence[Path],
        gpu_count: int | None = None,
    ) -> Sequence[Problem]: ...
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


def beyond_all_machines(fields: Mapping[str, object]) -> Sequence[Problem]:
    return list(import_string(settings.MACHINE_LIMITS)(fields))


def default_sizes(fields: Mapping[str, object]) -> Mapping[str, int]:
    """Memory of a new model, by its estimate; nothing where there is none."""
    sizes: Mapping[str, int] = import_string(settings.MODEL_SIZES)(fields)
    return sizes


def problems_of(
    name: str, config: Mapping[str, object], gpu_count: int | None = None
) -> Sequence[Problem]:
    return framework(name).check(
        config, model_roots=settings.MODEL_ROOTS, gpu_count=gpu_count
    )


def tail(run: Run, max_bytes: int) -> str:
    """End of the run's log, from its driver or, once that forgot it, from the row."""
    text: str = import_string(settings.LOG_TAIL)(run, max_bytes=max_bytes)
    return text
