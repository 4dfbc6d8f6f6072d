"""What the planner sees and says: plain values, no rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduling.recovery import BackOff, EndedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """free_mib: what the driver measures, foreign processes seen; None if unknown."""

    uuid: str
    index: int
    memory_mib: int
    free_mib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """cpu_cores, memory_mib: what models may use, the system's share taken off."""

    name: str
    cpu_cores: int
    memory_mib: int
    gpus: tuple[Gpu, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """gpus: MiB booked by GPU. taken: it has served, so what it took of them shows in
    what the driver measures; until then it is still to come."""

    uid: str
    model_id: int
    replica: int
    generation: int
    node: str
    cpu_cores: int
    memory_mib: int
    gpus: Mapping[str, int] = field(default_factory=dict)
    stopping: bool = False
    taken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """gpu_memory_mib: one replica's total. waiting_since: any ordered number.
    history: per replica, its ended runs of this generation, newest first."""

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
    back_off: BackOff = field(default_factory=BackOff)
    gpu_reserve_mib: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    model_id: int
    generation: int
    replica: int
    node: str
    cpu_cores: int
    memory_mib: int
    gpus: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    run_uid: str
    code: str
    params: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """status: `waiting` for room, or `error`."""

    status: str
    code: str
    params: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    stops: tuple[Stop, ...]
    placements: tuple[Placement, ...]
    reasons: Mapping[int, Reason]
