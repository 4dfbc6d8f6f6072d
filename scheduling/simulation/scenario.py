"""Scale, rates and results of a simulation. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import ceil
from random import Random

from scheduling.planner.types import Gpu, Model, Node

GPU_MIB = 80_000
CPU_CORES = 96
MEMORY_MIB = 1_000_000
# (GPUs, MiB of each): relative frequency
SHAPES = {
    (0, 0): 10,
    (1, 8_000): 25,
    (1, 20_000): 25,
    (1, 70_000): 15,
    (2, 60_000): 12,
    (4, 70_000): 8,
    (8, 75_000): 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    nodes: int
    gpus_per_node: int
    models: int
    hours: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Mean times between random events, math.inf for never; ranges in seconds.
    flaky: the share of models whose engine never becomes ready."""

    wanted_h: float = 6
    unwanted_h: float = 2
    crash_h: float = 20
    gpu_loss_h: float = 200
    gpu_repair_h: float = 1
    flaky: float = 0.02
    load_s: tuple[float, float] = (20, 180)
    drain_s: tuple[float, float] = (1, 60)


@dataclass(slots=True)
class Figures:
    """waits: by priority, seconds until a replica was placed after a start, an eviction
    or the loss of a GPU, including waits that last to the end. plans: seconds that each
    took. booked, available: MiB of GPU memory x seconds."""

    booked: float = 0
    available: float = 0
    waits: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    plans: list[float] = field(default_factory=list)
    evictions: int = 0
    restarts: int = 0
    gpus_lost: int = 0
    given_up: set[int] = field(default_factory=set)

    @property
    def utilisation(self) -> float:
        return self.booked / self.available if self.available else 0


def quantile(values: list[float], share: float) -> float:
    """The smallest value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0


def machines(scale: Scale) -> list[Node]:
    return [
        Node(
            name=f"n{n:04}",
            cpu_cores=CPU_CORES,
            memory_mib=MEMORY_MIB,
            gpus=tuple(
                Gpu(uuid=f"n{n:04}-{index}", index=index, memory_mib=GPU_MIB)
                for index in range(scale.gpus_per_node)
            ),
        )
        for n in range(scale.nodes)
    ]


def a_model(chance: Random, number: int, gpus_per_node: int) -> Model:
    """Not started. No model needs more GPUs than a machine has."""
    shapes = {s: often for s, often in SHAPES.items() if s[0] <= gpus_per_node}
    count, share = chance.choices(list(shapes), list(shapes.values()))[0]
    return Model(
        id=number,
        name=f"m{number}",
        wanted=False,
        generation=0,
        priority=chance.randint(1, 10),
        waiting_since=0,
        replicas=chance.choices([1, 2], [9, 1])[0],
        cpu_cores=chance.choice([1, 2, 4]),
        memory_mib=chance.choice([2_000, 8_000]),
        gpu_count=count,
        gpu_memory_mib=count * share,
    )
