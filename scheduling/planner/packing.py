"""Place several replicas together where placing them one by one failed. Pure.

A depth-first search over machines and sets of GPUs, largest need first, limited to a
number of steps: exact for a small installation, best effort for a larger one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from scheduling.planner.capacity import Need, Room

Spot = tuple[Room, tuple[str, ...]]


def pack(needs: Sequence[Need], rooms: Sequence[Room], steps: int) -> list[Spot] | None:
    """A spot for each need, in the same order, or None. Does not change rooms."""
    trial = [room.copy() for room in rooms]
    by_size = sorted(range(len(needs)), key=lambda n: _size(needs[n]), reverse=True)
    spots: dict[int, tuple[int, tuple[str, ...]]] = {}
    if not _Search(needs, trial, by_size, spots, steps).fit(0):
        return None
    return [(rooms[spots[n][0]], spots[n][1]) for n in range(len(needs))]


def _size(need: Need) -> tuple[int, int, int]:
    return (need.gpu_count * need.gpu_share_mib, need.cpu_cores, need.memory_mib)


class _Search:
    def __init__(
        self,
        needs: Sequence[Need],
        rooms: list[Room],
        order: list[int],
        spots: dict[int, tuple[int, tuple[str, ...]]],
        steps: int,
    ) -> None:
        self.needs, self.rooms, self.order = needs, rooms, order
        self.spots, self.steps = spots, steps

    def fit(self, depth: int) -> bool:
        if depth == len(self.order):
            return True
        n = self.order[depth]
        need = self.needs[n]
        for at, gpus in self._options(need):
            self.steps -= 1
            if self.steps < 0:
                return False
            self.rooms[at].take(need, gpus)
            self.spots[n] = (at, gpus)
            if self.fit(depth + 1):
                return True
            self.rooms[at].give_back(need, gpus)
        return False

    def _options(self, need: Need) -> Iterator[tuple[int, tuple[str, ...]]]:
        order = sorted(range(len(self.rooms)), key=lambda n: self.rooms[n].order(need))
        for at in order:
            room = self.rooms[at]
            if room.fits(need):
                for gpus in _gpu_sets(room, need):
                    yield at, gpus


def _gpu_sets(room: Room, need: Need) -> Iterator[tuple[str, ...]]:
    """Skips sets whose GPUs have the same free memory as an earlier set."""
    seen: set[tuple[int, ...]] = set()
    for gpus in combinations(room.fitting_gpus(need), need.gpu_count):
        free = tuple(sorted(room.gpus[uuid] for uuid in gpus))
        if free not in seen:
            seen.add(free)
            yield gpus
