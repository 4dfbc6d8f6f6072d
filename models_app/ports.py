"""What models_app needs from the app that runs engines, which fills these ports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from django.conf import settings

from common.ports import Port
from common.problems import Problem
from common.request_fields.dialect import EngineDialect
from models_app.models import Run

Fields = Mapping[str, object]  # of a served model


class Framework(Protocol):
    """The part of a framework that models_app needs."""

    @property
    def name(self) -> str: ...
    @property
    def admin_keys(self) -> Collection[str]: ...
    def keys(self) -> Sequence[str]: ...
    def check(
        self,
        config: Mapping[str, object],
        *,
        model_roots: Sequence[Path],
        gpu_count: int | None = None,
    ) -> Sequence[Problem]: ...
    def cpu_cores(self, config: Mapping[str, object]) -> int: ...
    def embeds(self, config: Mapping[str, object]) -> bool: ...
    def dialect(self, config: Mapping[str, object]) -> EngineDialect: ...
    def sampling(self, config: Mapping[str, object]) -> dict[str, float]: ...


# Raises PlatformError unknown_framework.
frameworks: Port[Callable[[str], Framework]] = Port("a framework registry")
# What no machine could ever give.
machine_limits: Port[Callable[[Fields], Iterable[Problem]]] = Port("machine limits")
# Estimated memory of a new model; empty where no estimate is possible.
default_sizes: Port[Callable[[Fields], Mapping[str, int]]] = Port("default sizes")
# Of a framework and config: what the model's files decide, which is model_kind and the
# config with the settings that a model of this kind needs.
detected_fields: Port[Callable[[str, Mapping[str, object]], Fields]] = Port(
    "detected fields"
)
# What approvals are bound to, of a framework, driver, config and number of GPUs. Raises
# PlatformError of an unknown framework or driver.
Fingerprint = Callable[[str, str, Mapping[str, object], int], Mapping[str, str]]
fingerprint: Port[Fingerprint] = Port("fingerprints")
# The end of a run's log, at most so many bytes.
log_tail: Port[Callable[[Run, int], str]] = Port("the log tail")


def framework(name: str) -> Framework:
    """Raises PlatformError unknown_framework."""
    return frameworks.get()(name)


def config_problems(
    name: str, config: Mapping[str, object], gpu_count: int | None = None
) -> Sequence[Problem]:
    return framework(name).check(
        config, model_roots=settings.MODEL_ROOTS, gpu_count=gpu_count
    )
