"""The queues of models that have as many requests in flight as they may.

Each process has a queue of its own. All of them together are as long as the limit
allows, and compete for places that become free.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway.auth import Caller
from gateway.errors import queue_full, queue_timeout
from gateway.limits.fair_queue import FairQueue
from gateway.limits.rules import Claim, Limit, Place
from gateway.limits.shared import SharedCounters
from gateway.routes.table import Route

# Places that other processes free are noticed so late.
POLL_S = 0.05
KEEP_ALIVE_S = 5.0

OnWait = Callable[[], Awaitable[None]]


class Waiter:
    """One request. granted: set when it has taken its place."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class ModelQueue:
    def __init__(self, shared: SharedCounters, keep_alive_s: float) -> None:
        self._shared, self._keep_alive_s = shared, keep_alive_s
        self._queue: FairQueue[Waiter] = FairQueue()
        self._freed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def on_release(self) -> None:
        self._freed.set()

    async def wait(
        self,
        caller: Caller,
        route: Route,
        limit: Limit,
        claim: Claim,
        on_wait: OnWait | None,
    ) -> None:
        """Until the request has taken its place, which must be released. claim: of the
        place. on_wait: called every few seconds. Raises GatewayError queue_full,
        queue_timeout."""
        place = Place(f"{limit.key}:queue", "model", limit.queue_length or 0)
        turn = Claim((), (place,), 1)
        admitted, _ = await self._shared.take(turn)
        if not admitted:
            raise queue_full(route, place.maximum)
        waiter, grant = Waiter(claim), caller.grant
        self._queue.push(
            waiter, caller.digest, priority=grant.priority, weight=grant.weight,
            size=claim.size,
        )  # fmt: skip
        try:
            self._start()
            await _granted(
                waiter, route, limit.queue_wait_s, self._keep_alive_s, on_wait
            )
        except BaseException:
            self._abandon(waiter)
            raise
        finally:
            self._shared.release(turn)

    def _abandon(self, waiter: Waiter) -> None:
        self._queue.remove(waiter)
        if not waiter.granted.cancel():
            if not waiter.granted.cancelled():
                self._shared.release(waiter.claim)
            self.on_release()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        while (head := self._queue.head()) is not None:
            self._freed.clear()
            admitted, _ = await self._shared.take(head.claim)
            if admitted:
                self._grant(head)
            else:
                await self._wait_for_place()

    def _grant(self, head: Waiter) -> None:
        if head.granted.done():  # its client has left meanwhile
            self._shared.release(head.claim)
        else:
            if self._queue.head() is head:
                self._queue.pop()
            self._queue.remove(head)
            head.granted.set_result(None)

    async def _wait_for_place(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._freed.wait()
        except TimeoutError:
            pass

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


async def _granted(
    waiter: Waiter,
    route: Route,
    longest_s: float,
    every_s: float,
    on_wait: OnWait | None,
) -> None:
    ends = time.monotonic() + longest_s
    while True:
        left = ends - time.monotonic()
        await asyncio.wait({waiter.granted}, timeout=max(0, min(left, every_s)))
        if waiter.granted.done():
            return
        if left <= every_s:
            raise queue_timeout(route, longest_s)
        if on_wait is not None:
            await on_wait()
