"""Room on one machine during a plan: free now, free later, and reserved. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scheduling.planner.capacity import Lack, Need, Reservation, Room
from scheduling.planner.types import Gpu, Model, Node, Policy, Run


@dataclass(slots=True)
class Site:
    """One machine during a plan. now: free, less the room that is being made for models
    further ahead. later: plus what stopping runs will free. empty: without any of our
    runs; foreign processes stay. runs: those that are not stopping.

    reserved: needs of models further ahead for which no room is being made yet. Only
    preemptible models with a priority below `below`, which could be evicted for all of
    them, may use it meanwhile."""

    node: Node
    now: Room
    later: Room
    empty: Room
    runs: list[Run]
    reserved: Reservation | None = None
    below: int = 0
    # Cache of the free room that is not reserved; cleared when either changes
    unreserved: Room | None = None

    def now_for(self, model: Model) -> Room:
        if not self.is_reserved_from(model):
            return self.now
        if self.unreserved is None:
            self.unreserved = self._without_reserved(self.now)
        return self.unreserved

    def later_for(self, model: Model) -> Room:
        if self.is_reserved_from(model):
            return self._without_reserved(self.later)
        return self.later

    def is_reserved_from(self, model: Model) -> bool:
        return self.reserved is not None and not (
            model.preemptible and model.priority < self.below
        )

    def _without_reserved(self, room: Room) -> Room:
        rest = room.copy()
        if self.reserved:
            rest.withhold(self.reserved)
        return rest

    def lack(self, need: Need, model: Model) -> Lack:
        """Of the room that is free once stopping runs have ended."""
        reserved = self.reserved if self.is_reserved_from(model) else None
        return Lack.of(self.later, reserved, need)

    def take(self, need: Need, gpus: Iterable[str]) -> None:
        self.unreserved = None
        self.now.take(need, gpus)
        self.later.take(need, gpus)

    def give_back(self, need: Need, gpus: Iterable[str]) -> None:
        self.unreserved = None
        self.now.give_back(need, gpus)
        self.later.give_back(need, gpus)

    def nominate(self, need: Need) -> None:
        """Give the need its room once stopping runs have ended, and withhold whatever
        part of that room is free already."""
        self.unreserved = None
        gpus = self.later.choose(need) or ()
        self.later.take(need, gpus)
        self.now.withhold(Reservation().add(need, gpus))

    def reserve(self, need: Need, gpus: tuple[str, ...], below: int) -> None:
        self.unreserved = None
        self.below = min(self.below, below) if self.reserved else below
        self.reserved = (self.reserved or Reservation()).add(need, gpus)


def sites(nodes: Iterable[Node], runs: Iterable[Run], policy: Policy) -> list[Site]:
    here: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        here[run.node].append(run)
    return [_site(node, here[node.name], policy) for node in nodes]


def _site(node: Node, runs: Sequence[Run], policy: Policy) -> Site:
    now = _room(node, runs, policy)
    later, empty = now.copy(), now.copy()
    for run in runs:
        empty.release(run)
        if run.stopping:
            later.release(run)
    return Site(node, now, later, empty, [run for run in runs if not run.stopping])


def _room(node: Node, runs: Sequence[Run], policy: Policy) -> Room:
    booked: dict[str, int] = defaultdict(int)
    to_come: dict[str, int] = defaultdict(int)
    for run in runs:
        for uuid, mib in run.gpus.items():
            booked[uuid] += mib
            # A run that uses more than it booked does not free any extra.
            to_come[uuid] += max(0, mib - run.used_mib(uuid))
    return Room(
        node,
        node.cpu_cores - sum(run.cpu_cores for run in runs),
        node.memory_mib - sum(run.memory_mib for run in runs),
        {
            gpu.uuid: usable_mib(gpu, booked[gpu.uuid], to_come[gpu.uuid])
            - policy.gpu_reserve_mib
            for gpu in open_gpus(node)
        },
    )


def open_gpus(node: Node) -> list[Gpu]:
    return [gpu for gpu in node.gpus if gpu.open]


def usable_mib(gpu: Gpu, booked_mib: int, to_come_mib: int) -> int:
    """The smaller of what is not booked, and what is measured as free less what booked
    runs have yet to allocate. This counts foreign processes."""
    unbooked = gpu.memory_mib - booked_mib
    if gpu.free_mib is None:
        return unbooked
    return min(unbooked, gpu.free_mib - to_come_mib)
