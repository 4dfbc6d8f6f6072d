"""The machine to place on first, without looking at all machines each time. Pure.

A machine is ranked again only after its room changed, which pays off with many
placements in one plan. Reserving room only excludes machines, so it needs no report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from scheduling.planner.capacity import Need, Room
from scheduling.planner.sites import Site
from scheduling.planner.types import Model

Entry = tuple[tuple[int, int, int, str], int]


@dataclass(slots=True)
class _Queue:
    heap: list[Entry]
    read: int


@dataclass(slots=True)
class Ranking:
    """room: a site's room including what is reserved; room_for: the part that a model
    may use. changed: positions of sites in order of their changes; the owner appends.
    """

    sites: Sequence[Site]
    changed: list[int]
    room: Callable[[Site], Room]
    room_for: Callable[[Site, Model], Room]
    queues: dict[tuple[Need, int], _Queue] = field(default_factory=dict)
    fitting: dict[Need, tuple[set[int], int]] = field(default_factory=dict)

    def first(self, need: Need, model: Model) -> Site | None:
        key = (need, model.priority if model.preemptible else -1)
        queue = self.queues.get(key)
        if queue is None:
            queue = self.queues[key] = self._queue(need)
        for at in set(self.changed[queue.read :]):
            room = self.room(self.sites[at])
            if room.fits(need):
                heappush(queue.heap, (room.order(need), at))
        queue.read = len(self.changed)
        heap = queue.heap
        while heap and not self._holds(heap[0], need, model):
            heappop(heap)
        return self.sites[heap[0][1]] if heap else None

    def _holds(self, entry: Entry, need: Need, model: Model) -> bool:
        site = self.sites[entry[1]]
        room = self.room(site)
        return (
            room.fits(need)
            and room.order(need) == entry[0]
            and self.room_for(site, model).fits(need)
        )

    def _queue(self, need: Need) -> _Queue:
        """Of sites that had room at the last lookup of this need, or changed since."""
        known, read = self.fitting.get(need, (range(len(self.sites)), 0))
        rooms = {at: self.room(self.sites[at]) for at in {*known, *self.changed[read:]}}
        open_rooms = {at: room for at, room in rooms.items() if room.fits(need)}
        self.fitting[need] = (set(open_rooms), len(self.changed))
        heap = [(room.order(need), at) for at, room in open_rooms.items()]
        heapify(heap)
        return _Queue(heap, len(self.changed))
