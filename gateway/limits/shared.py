"""Counters that all processes share in the broker.

Requests that arrive in the same turn of the event loop, or while a call is under way,
share one call. Without the broker each process applies the limits alone, and counts
what it has to deliver. Belongs to the event loop of its first use.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from pathlib import Path
from typing import Any

import orjson

from common.broker import AsyncClient, connect_async
from gateway.limits.counters import LocalCounters
from gateway.limits.rules import Claim, Counter, refusal

logger = logging.getLogger(__name__)

PREFIX = "llmplatform:limits:"
SCRIPT = Path(__file__).with_name("script.lua").read_text()
TIMEOUT_S = 0.5
# How long a release or tokens may take to reach the broker
DELAY_S = 0.05
HEARTBEAT_S = 1.0
# After so long, the requests in flight of a killed process count no more.
ALIVE_S = 5.0

Answer = tuple[bool, list[int]]


class SharedCounters:
    def __init__(self, broker_url: str) -> None:
        self.local = LocalCounters()
        self.is_broker_down = False
        self._broker_url = broker_url
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._waiting: list[tuple[Claim, asyncio.Future[Answer]]] = []
        self._adds: dict[str, tuple[int, float]] = {}
        self._released: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, claim: Claim) -> Answer:
        """Whether the request is admitted, and the values of the counters and places
        before it. What is admitted must be released."""
        if self.is_broker_down or self.local.is_exhausted(claim):
            self._wake()
            return self._take_alone(claim)
        decided = asyncio.get_running_loop().create_future()
        self._waiting.append((claim, decided))
        self._wake()
        try:
            answer: Answer = await decided
        except asyncio.CancelledError:
            if not decided.cancelled() and decided.result()[0]:
                self.release(claim)  # decided in the turn in which the client left
            raise
        return answer

    def release(self, claim: Claim) -> None:
        if claim.places:
            self.local.release(claim)
            self._released.update(place.key for place in claim.places)
            self._wake_later()

    def settle(self, claim: Claim, tokens: int) -> None:
        for counter in claim.counters:
            if tokens and not counter.cost:
                self._add(counter, tokens)
                self._wake_later()

    async def close(self) -> None:
        """redis-py swallows a cancellation while it connects."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.01)
        self._task = None

    def _take_alone(self, claim: Claim) -> Answer:
        values, now = self.local.read(claim), time.time()
        if refusal(claim, values, now) is not None:
            return False, values
        for counter in claim.counters:
            if counter.cost:
                self._add(counter, counter.cost)
        self.local.hold(claim)
        return True, values

    def _add(self, counter: Counter, count: int) -> None:
        self.local.add(counter.key, count, counter.resets_at)
        before, _ = self._adds.get(counter.key, (0, 0.0))
        self._adds[counter.key] = before + count, counter.resets_at

    def _wake(self) -> None:
        if self._task is None:
            self._event = asyncio.Event()
            self._task = asyncio.create_task(self._run())
        self._event.set()

    def _wake_later(self) -> None:
        if self._timer is None and self._task is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(DELAY_S, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._wake()

    async def _run(self) -> None:
        async with connect_async(self._broker_url, TIMEOUT_S) as broker:
            while True:
                await self._wait()
                self._event.clear()
                self.local.forget(time.time())
                await self._exchange(broker)

    async def _wait(self) -> None:
        """Until there is something to send. Without limits in use the broker hears
        nothing."""
        if self.is_broker_down:
            await asyncio.sleep(HEARTBEAT_S)
        elif self.local.held:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._event.wait()
            except TimeoutError:
                pass
        else:
            await self._event.wait()

    async def _exchange(self, broker: AsyncClient) -> None:
        waiting, self._waiting = self._waiting, []
        adds, self._adds = self._adds, {}
        released, self._released = self._released, set()
        try:
            text = await broker.eval(
                SCRIPT, 0, PREFIX, self._name, self._batch(waiting, adds, released)
            )
            answers = orjson.loads(text)
        except Exception as error:
            # Whatever the cause, requests are decided here.
            self._on_failure(error, waiting, adds)
            return
        self.is_broker_down = False
        for (claim, decided), (admitted, values) in zip(waiting, answers, strict=True):
            self._decide(claim, decided, admitted, [int(each) for each in values])

    def _batch(
        self,
        waiting: list[tuple[Claim, asyncio.Future[Answer]]],
        adds: dict[str, tuple[int, float]],
        released: set[str],
    ) -> bytes:
        values, held = self.local.values, self.local.held
        keys = {*released, *held}
        batch: dict[str, Any] = {
            "alive_s": ALIVE_S,
            # What is added is in the local value already.
            "adds": [
                (key, count, max(0, values.get(key, 0) - count), int(ends) + 1)
                for key, (count, ends) in adds.items()
            ],
            "held": [(key, held.get(key, 0)) for key in keys],
            "claims": [
                {
                    "counters": [
                        (c.key, c.cost, c.maximum, values.get(c.key, 0),
                         int(c.resets_at) + 1)
                        for c in claim.counters
                    ],
                    "places": [(p.key, p.maximum) for p in claim.places],
                    "size": claim.size,
                }
                for claim, _decided in waiting
            ],
        }  # fmt: skip
        return orjson.dumps(batch)

    def _decide(
        self,
        claim: Claim,
        decided: asyncio.Future[Answer],
        admitted: bool,
        values: list[int],
    ) -> None:
        for counter, value in zip(claim.counters, values, strict=False):
            count = value + (counter.cost if admitted else 0)
            self.local.learn(counter.key, count, counter.resets_at)
        if admitted:
            self.local.hold(claim)
        if not decided.done():
            decided.set_result((admitted, values))
        elif admitted:
            self.release(claim)  # the client has left

    def _on_failure(
        self,
        error: Exception,
        waiting: list[tuple[Claim, asyncio.Future[Answer]]],
        adds: dict[str, tuple[int, float]],
    ) -> None:
        if not self.is_broker_down:
            logger.warning("broker unavailable, each process limits alone: %s", error)
        self.is_broker_down = True
        for key, (count, ends) in adds.items():
            added, _ = self._adds.get(key, (0, 0.0))
            if ends > time.time():
                self._adds[key] = added + count, ends
        for claim, decided in waiting:
            if not decided.done():
                decided.set_result(self._take_alone(claim))
