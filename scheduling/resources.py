"""What each machine has, what runs have booked, and what is free for placement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runtimes.models import Gpu, Node
from scheduling.planner.sites import Site, sites
from scheduling.planner.types import Policy, Run, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """free: for placement; less than total - booked where the system keeps a share."""

    total: int
    booked: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """measured_mib: None if the driver does not report it."""

    model: str
    run: str
    mib: int
    measured_mib: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """measured_free_mib, foreign_mib: None if the driver does not report them.
    foreign_mib: used by anything but our runs; a run that is not measured counts with
    what it booked once it has served. free_mib: for placement."""

    uuid: str
    index: int
    name: str
    mode: str
    present: bool
    reason: dict[str, Any] | None
    memory_mib: int
    booked: tuple[Booking, ...]
    measured_free_mib: int | None
    foreign_mib: int | None
    free_mib: int

    @property
    def booked_mib(self) -> int:
        return sum(booking.mib for booking in self.booked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    name: str
    cpu_cores: Amount
    memory_mib: Amount
    gpus: tuple[GpuUse, ...]


def machines(
    snapshot: Snapshot, policy: Policy, nodes: Iterable[Node]
) -> list[Machine]:
    """nodes: with prefetched GPUs."""
    by_name = {s.node.name: s for s in sites(snapshot.nodes, snapshot.runs, policy)}
    names = {model.id: model.name for model in snapshot.models}
    return [
        _machine(node, by_name[node.name], snapshot.runs, names)
        for node in nodes
        if node.name in by_name
    ]


def _machine(
    node: Node, site: Site, runs: Iterable[Run], names: dict[int, str]
) -> Machine:
    here = [run for run in runs if run.node == node.name]
    return Machine(
        name=node.name,
        cpu_cores=Amount(
            total=node.cpu_cores,
            booked=sum(run.cpu_cores for run in here),
            free=max(site.now.cpu_cores, 0),
        ),
        memory_mib=Amount(
            total=node.memory_mib,
            booked=sum(run.memory_mib for run in here),
            free=max(site.now.memory_mib, 0),
        ),
        gpus=tuple(_gpu(gpu, site, here, names) for gpu in node.gpus.all()),
    )


def _gpu(gpu: Gpu, site: Site, runs: list[Run], names: dict[int, str]) -> GpuUse:
    holders = sorted(
        (run for run in runs if gpu.uuid in run.gpus), key=lambda run: run.age
    )
    ours = sum(run.used_mib(gpu.uuid) for run in runs)
    unknown = gpu.free_mib is None or not gpu.present
    return GpuUse(
        uuid=gpu.uuid,
        index=gpu.index,
        name=gpu.name,
        mode=gpu.mode,
        present=gpu.present,
        reason=gpu.reason,
        memory_mib=gpu.memory_mib,
        booked=tuple(
            Booking(
                model=names.get(run.model_id, ""),
                run=run.uid,
                mib=run.gpus[gpu.uuid],
                measured_mib=None if run.used is None else run.used.get(gpu.uuid, 0),
            )
            for run in holders
        ),
        measured_free_mib=None if unknown else gpu.free_mib,
        foreign_mib=None
        if unknown
        else max(0, gpu.memory_mib - (gpu.free_mib or 0) - ours),
        free_mib=max(site.now.gpus.get(gpu.uuid, 0), 0),
    )
