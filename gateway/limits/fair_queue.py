"""Who is served next: the highest priority, then fairly by weight. Pure.

Start-time fair queueing: each request of a flow starts, in virtual time, when the one
before it ends; a flow of twice the weight advances half as fast.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class FairQueue(Generic[Item]):
    def __init__(self) -> None:
        self._heap: list[tuple[int, float, int, Item]] = []
        self._items: set[Item] = set()
        self._ends: dict[tuple[int, Hashable], float] = {}
        self._now: dict[int, float] = defaultdict(float)
        self._count = 0

    def __len__(self) -> int:
        return len(self._items)

    def push(
        self, item: Item, flow: Hashable, *, priority: int, weight: int, size: int = 1
    ) -> None:
        """item: not in the queue yet. size: how much of its flow's share it takes."""
        key = priority, flow
        start = max(self._now[priority], self._ends.get(key, 0.0))
        self._ends[key] = start + size / weight
        self._count += 1
        heapq.heappush(self._heap, (-priority, start, self._count, item))
        self._items.add(item)

    def head(self) -> Item | None:
        while self._heap and self._heap[0][3] not in self._items:
            heapq.heappop(self._heap)
        return self._heap[0][3] if self._heap else None

    def pop(self) -> Item | None:
        item = self.head()
        if item is not None:
            priority, start, _, _ = heapq.heappop(self._heap)
            self._now[-priority] = start
            self.remove(item)
        return item

    def remove(self, item: Item) -> None:
        self._items.discard(item)
        if not self._items:
            self._heap.clear()
            self._ends.clear()
            self._now.clear()
