"""Room on machines, as placements are made one after the other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scheduling.picture import Gpu, Model, Node, Placement, Reason, Run


@dataclass(slots=True)
class GpuRoom:
    uuid: str
    free_mib: int


@dataclass(slots=True)
class Room:
    """What is free on one machine."""

    node: Node
    cpu_cores: int
    memory_mib: int
    gpus: list[GpuRoom]

    @classmethod
    def of(cls, node: Node, runs: Iterable[Run], reserve_mib: int) -> Room:
        here = [run for run in runs if run.node == node.name]
        return cls(
            node=node,
            cpu_cores=node.cpu_cores - sum(run.cpu_cores for run in here),
            memory_mib=node.memory_mib - sum(run.memory_mib for run in here),
            gpus=[
                GpuRoom(gpu.uuid, usable_mib(gpu, here, reserve_mib))
                for gpu in node.gpus
            ],
        )

    def place(self, model: Model, replica: int) -> Placement | None:
        if self.cpu_cores < model.cpu_cores or self.memory_mib < model.memory_mib:
            return None
        gpus = self.fitting_gpus(model)[: model.gpu_count]
        if len(gpus) < model.gpu_count:
            return None
        self._take(model, gpus)
        return Placement(
            model_id=model.id,
            generation=model.generation,
            replica=replica,
            node=self.node.name,
            cpu_cores=model.cpu_cores,
            memory_mib=model.memory_mib,
            gpus=tuple((gpu.uuid, model.gpu_share_mib) for gpu in gpus),
        )

    def _take(self, model: Model, gpus: list[GpuRoom]) -> None:
        self.cpu_cores -= model.cpu_cores
        self.memory_mib -= model.memory_mib
        for gpu in gpus:
            gpu.free_mib -= model.gpu_share_mib

    def fitting_gpus(self, model: Model) -> list[GpuRoom]:
        """Fullest first, so that whole GPUs stay whole."""
        least = max(model.gpu_share_mib, 1)
        fitting = [gpu for gpu in self.gpus if gpu.free_mib >= least]
        return sorted(fitting, key=lambda gpu: (gpu.free_mib, gpu.uuid))

    def shortage(self, model: Model) -> Reason:
        here: dict[str, object] = {"node": self.node.name}
        if self.cpu_cores < model.cpu_cores:
            return _waits(
                "insufficient_cpu", here, model.cpu_cores,
                max(self.cpu_cores, 0), self.node.cpu_cores,
            )  # fmt: skip
        if self.memory_mib < model.memory_mib:
            return _waits(
                "insufficient_memory", here, model.memory_mib,
                max(self.memory_mib, 0), self.node.memory_mib,
            )  # fmt: skip
        return _waits(
            "insufficient_gpus", {**here, "mib": model.gpu_share_mib},
            model.gpu_count, len(self.fitting_gpus(model)), len(self.gpus),
        )  # fmt: skip


def _waits(
    code: str, params: Mapping[str, object], needed: int, free: int, total: int
) -> Reason:
    return Reason(
        status="waiting",
        code=code,
        params={**params, "needed": needed, "free": free, "total": total},
    )


def usable_mib(gpu: Gpu, runs: Sequence[Run], reserve_mib: int) -> int:
    """The smaller of what is not booked and what is measured free, less what booked
    runs have yet to take. So foreign processes count."""
    booked = sum(run.gpus.get(gpu.uuid, 0) for run in runs)
    unbooked = gpu.memory_mib - booked
    if gpu.free_mib is None:
        return unbooked - reserve_mib
    to_come = sum(run.gpus.get(gpu.uuid, 0) for run in runs if not run.taken)
    return min(unbooked, gpu.free_mib - to_come) - reserve_mib
