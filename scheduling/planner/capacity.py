"""What a replica needs and what a machine has free. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scheduling.planner.types import Model, Node, Placement, Policy, Reason, Run


class Need(NamedTuple):
    """What one replica needs; equal for models of the same size. gpu_least_mib: must be
    free on a GPU before the replica may use it."""

    cpu_cores: int
    memory_mib: int
    gpu_count: int
    gpu_share_mib: int
    gpu_least_mib: int
    pinned: tuple[str, ...]
    spread: bool

    @classmethod
    def of(cls, model: Model, policy: Policy, more_than_mib: int = 0) -> Need:
        """more_than_mib: was free on each GPU at an earlier attempt, and not enough."""
        least = more_than_mib + policy.gpu_step_mib if more_than_mib else 1
        return cls(
            model.cpu_cores,
            model.memory_mib,
            model.gpu_count,
            model.gpu_share_mib,
            max(model.gpu_share_mib, least),
            model.pinned,
            (model.placement or policy.placement) == "spread",
        )


@dataclass(slots=True)
class Room:
    """What is free on one machine. gpus: MiB by UUID, without closed GPUs."""

    node: Node
    cpu_cores: int
    memory_mib: int
    gpus: dict[str, int]

    def fits(self, need: Need) -> bool:
        return (
            self.cpu_cores >= need.cpu_cores
            and self.memory_mib >= need.memory_mib
            and (not need.gpu_count or self._enough_gpus(need))
        )

    def _enough_gpus(self, need: Need) -> bool:
        return (
            len(self.gpus) >= need.gpu_count and self.count_gpus(need) >= need.gpu_count
        )

    def count_gpus(self, need: Need) -> int:
        """How many GPUs have enough free."""
        if need.pinned:
            return len(self.fitting_gpus(need))
        least, found = need.gpu_least_mib, 0
        for free in self.gpus.values():  # the innermost loop of a plan
            found += free >= least
        return found

    def fitting_gpus(self, need: Need) -> list[str]:
        """binpack: fullest first, so that others stay whole; spread: emptiest."""
        fitting = [
            (-free if need.spread else free, uuid)
            for uuid, free in self.gpus.items()
            if free >= need.gpu_least_mib and (not need.pinned or uuid in need.pinned)
        ]
        return [uuid for _, uuid in sorted(fitting)]

    def choose(self, need: Need) -> tuple[str, ...] | None:
        """The GPUs to use, possibly none; None if the need does not fit."""
        if not self.fits(need):
            return None
        return tuple(self.fitting_gpus(need)[: need.gpu_count])

    def take(self, need: Need, gpus: Iterable[str]) -> None:
        self.cpu_cores -= need.cpu_cores
        self.memory_mib -= need.memory_mib
        for uuid in gpus:
            self.gpus[uuid] -= need.gpu_share_mib

    def give_back(self, need: Need, gpus: Iterable[str]) -> None:
        self.cpu_cores += need.cpu_cores
        self.memory_mib += need.memory_mib
        for uuid in gpus:
            self.gpus[uuid] += need.gpu_share_mib

    def withhold(self, reserved: Reservation) -> None:
        """Subtract what is reserved, down to zero."""
        self.cpu_cores -= _available(self.cpu_cores, reserved.cpu_cores)
        self.memory_mib -= _available(self.memory_mib, reserved.memory_mib)
        for uuid, mib in reserved.gpus.items():
            self.gpus[uuid] -= _available(self.gpus[uuid], mib)

    def release(self, run: Run) -> None:
        self.cpu_cores += run.cpu_cores
        self.memory_mib += run.memory_mib
        for uuid, mib in run.gpus.items():
            if uuid in self.gpus:
                self.gpus[uuid] += mib

    def copy(self) -> Room:
        return Room(self.node, self.cpu_cores, self.memory_mib, dict(self.gpus))

    def order(self, need: Need) -> tuple[int, int, int, str]:
        """Sort key of where to place first. binpack: models without GPUs avoid machines
        with GPUs; then the fullest machine. spread: the emptiest."""
        sign = -1 if need.spread else 1
        free = sum(self.gpus.values()) if need.gpu_count else 0
        idle_gpus = 0 if need.gpu_count else len(self.gpus)
        return (idle_gpus, sign * free, sign * self.cpu_cores, self.node.name)


def _available(free: int, need: int) -> int:
    return max(0, min(free, need))


@dataclass(slots=True)
class Reservation:
    """Room reserved for one or more models. Withholding the sum equals withholding one
    after the other, because room never falls below zero."""

    cpu_cores: int = 0
    memory_mib: int = 0
    gpus: dict[str, int] = field(default_factory=dict)

    def add(self, need: Need, gpus: Iterable[str]) -> Reservation:
        self.cpu_cores += need.cpu_cores
        self.memory_mib += need.memory_mib
        for uuid in gpus:
            self.gpus[uuid] = self.gpus.get(uuid, 0) + need.gpu_share_mib
        return self


@dataclass(frozen=True, slots=True)
class Lack:
    """What a machine lacks for a need; many sets of runs can be tried against it.
    beyond: by usable GPU, the MiB above the minimum, or below it where negative."""

    cpu_cores: int
    memory_mib: int
    gpus: int
    beyond: Mapping[str, int]

    @classmethod
    def of(cls, room: Room, reserved: Reservation | None, need: Need) -> Lack:
        held = reserved.gpus if reserved else {}
        beyond = {
            uuid: free - held.get(uuid, 0) - need.gpu_least_mib
            for uuid, free in room.gpus.items()
            if need.gpu_count and (not need.pinned or uuid in need.pinned)
        }
        # A need of zero is met, whatever is reserved for others.
        held_cores = reserved.cpu_cores if reserved else 0
        held_mib = reserved.memory_mib if reserved else 0
        cores = need.cpu_cores and need.cpu_cores + held_cores
        mib = need.memory_mib and need.memory_mib + held_mib
        return cls(
            cores - room.cpu_cores,
            mib - room.memory_mib,
            need.gpu_count - sum([mib >= 0 for mib in beyond.values()]),
            beyond,
        )

    def met_by(self, gone: Sequence[Run]) -> bool:
        """Whether stopping these runs is enough."""
        if (
            sum([run.cpu_cores for run in gone]) < self.cpu_cores
            or sum([run.memory_mib for run in gone]) < self.memory_mib
        ):
            return False
        if self.gpus <= 0:
            return True
        if sum([len(run.gpus) for run in gone]) < self.gpus:
            return False
        return self._gpus_freed(gone) >= self.gpus

    def _gpus_freed(self, gone: Sequence[Run]) -> int:
        """How many GPUs would reach the minimum and have not yet."""
        freed: Mapping[str, int] = gone[0].gpus if gone else {}
        if len(gone) > 1:
            freed = sums(run.gpus for run in gone)
        beyond, count = self.beyond, 0
        for uuid, mib in freed.items():
            short = beyond.get(uuid, 0)
            count += short < 0 <= short + mib
        return count


def sums(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in several:
        for key, value in each.items():
            total[key] = total.get(key, 0) + value
    return total


def missing_share(room: Room, need: Need) -> float:
    """The missing fractions of cores, memory and GPUs, summed: 0 to 3."""
    resources = (
        (room.cpu_cores, need.cpu_cores),
        (room.memory_mib, need.memory_mib),
        (room.count_gpus(need), need.gpu_count),
    )
    return sum(1 - min(max(has, 0) / of, 1) for has, of in resources if of)


def shortage(room: Room, need: Need) -> Reason:
    """The first resource of which the machine has too little."""
    if room.cpu_cores < need.cpu_cores:
        return _waits(
            "insufficient_cpu",
            room,
            need.cpu_cores,
            room.cpu_cores,
            room.node.cpu_cores,
        )
    if room.memory_mib < need.memory_mib:
        return _waits(
            "insufficient_memory", room,
            need.memory_mib, room.memory_mib, room.node.memory_mib,
        )  # fmt: skip
    return _waits(
        "insufficient_gpus", room,
        need.gpu_count, len(room.fitting_gpus(need)), len(room.node.gpus),
        mib=need.gpu_least_mib,
    )  # fmt: skip


def _waits(
    code: str, room: Room, needed: int, free: int, total: int, **more: object
) -> Reason:
    sizes = {"needed": needed, "free": max(free, 0), "total": total}
    return Reason(
        status="waiting", code=code, params={"node": room.node.name, **sizes, **more}
    )


def placement(model: Model, replica: int, room: Room, gpus: Sequence[str]) -> Placement:
    """room: before the placement."""
    return Placement(
        model_id=model.id,
        generation=model.generation,
        replica=replica,
        node=room.node.name,
        cpu_cores=model.cpu_cores,
        memory_mib=model.memory_mib,
        gpus=tuple((uuid, model.gpu_share_mib) for uuid in gpus),
        gpu_room_mib=min((room.gpus[uuid] for uuid in gpus), default=None),
    )
