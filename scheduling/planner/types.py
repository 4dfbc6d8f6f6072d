"""Input and output of the planner: plain values, no database rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from scheduling.planner.backoff import BackOff, EndedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """free_mib: measured by the driver, so foreign processes count; None if unknown.
    open: accepts new runs; not excluded, drained or unhealthy. leave: its runs have to
    move elsewhere; lost, unhealthy: at once."""

    uuid: str
    index: int
    memory_mib: int
    free_mib: int | None = None
    open: bool = True
    leave: bool = False
    lost: bool = False
    unhealthy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """cpu_cores, memory_mib: what models may use, without the system's share."""

    name: str
    cpu_cores: int
    memory_mib: int
    gpus: tuple[Gpu, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """gpus: MiB booked, by GPU. used: MiB measured, by GPU; None if unknown. taken: it
    has served, so all of its memory is allocated. running_s: since it was placed.
    traffic: mean requests in flight. age: order of creation."""

    uid: str
    model_id: int
    replica: int
    generation: int
    node: str
    cpu_cores: int
    memory_mib: int
    gpus: Mapping[str, int] = field(default_factory=dict)
    used: Mapping[str, int] | None = None
    stopping: bool = False
    taken: bool = False
    running_s: float = 0
    traffic: float = 0
    age: int = 0

    def used_mib(self, uuid: str) -> int:
        """Measured; without a measurement, all it booked once it has served."""
        if self.used is not None:
            return self.used.get(uuid, 0)
        return self.gpus.get(uuid, 0) if self.taken else 0


class Context(NamedTuple):
    """Context length in tokens, and what a replica needs with it."""

    n_ctx: int
    gpu_memory_mib: int
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """gpu_memory_mib: one replica's total. waiting_since: any ordered number.
    history: per replica, its ended runs of this generation, newest first.
    placement: binpack, spread, or "" for the installation's. pinned: the only GPUs it
    may use. evicted_s: seconds since it was last evicted, None if it never was.
    contexts: the current one, then smaller ones, largest first; only filled in where
    suggestions are needed."""

    id: int
    name: str
    wanted: bool
    generation: int
    priority: int
    waiting_since: float
    replicas: int
    cpu_cores: int
    memory_mib: int
    gpu_count: int = 0
    gpu_memory_mib: int = 0
    history: Mapping[int, tuple[EndedRun, ...]] = field(default_factory=dict)
    preemptible: bool = True
    preempts: bool = True
    placement: str = ""
    pinned: tuple[str, ...] = ()
    evicted_s: float | None = None
    contexts: tuple[Context, ...] = ()

    @property
    def gpu_share_mib(self) -> int:
        return -(-self.gpu_memory_mib // self.gpu_count) if self.gpu_count else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    nodes: tuple[Node, ...]
    models: tuple[Model, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """priority_gap: how much lower a victim's priority must be. A run is not evicted in
    its first min_running_s, nor its model within cool_down_s of its last eviction; that
    prevents ping-pong. max_evictions: in one plan; the next plan does the rest.
    gpu_step_mib: how much more GPU memory must be free before a model that ran out of
    it is tried again."""

    back_off: BackOff = field(default_factory=BackOff)
    gpu_reserve_mib: int = 256
    gpu_step_mib: int = 512
    placement: str = "binpack"
    priority_gap: int = 1
    min_running_s: float = 30
    cool_down_s: float = 60
    max_evictions: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """gpu_room_mib: free on each of its GPUs, at least, before; None without GPUs."""

    model_id: int
    generation: int
    replica: int
    node: str
    cpu_cores: int
    memory_mib: int
    gpus: tuple[tuple[str, int], ...] = ()
    gpu_room_mib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    run_uid: str
    code: str
    params: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What would let a waiting model start. action: `stop` another model, raise its own
    `priority`, or lower its `n_ctx`."""

    action: str
    params: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """status: `waiting` or `error`. position: 1 is next. nominated: the machine with
    room reserved for the model."""

    status: str
    code: str
    params: dict[str, object] = field(default_factory=dict)
    position: int = 0
    nominated: str = ""
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    stops: tuple[Stop, ...]
    placements: tuple[Placement, ...]
    reasons: Mapping[int, Reason]
