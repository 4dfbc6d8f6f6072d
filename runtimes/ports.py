"""What runtimes needs from the scheduler, which provides it in AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from common.ports import Port
from models_app.models import ServedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The most that any one machine can give to models, each size on its own; what is
    reserved for the system is left out. gpu_mib: of one GPU, open or not."""

    cpu_cores: int
    memory_mib: int
    gpu_count: int
    gpu_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """Code and parameters of a message."""

    code: str
    params: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A model of which a run would be stopped."""

    name: str
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """machines: where replicas would start at once, or once the victims have stopped.
    shortage: why the rest would wait. impossible: no machine could run it, even with
    nothing else there."""

    machines: tuple[str, ...]
    victims: tuple[Victim, ...]
    shortage: Shortage | None
    impossible: bool


class Planner(Protocol):
    def capacity(self) -> Capacity | None:
        """None: no machine is known."""

    def forecast(self, model: ServedModel) -> Forecast:
        """What a start now would do; of a running model, what a restart would do. The
        model need not be saved."""


planner: Port[Planner] = Port("the planner")
