"""The newest text of each topic, heard once in each process for all its websockets.

Belongs to the event loop of its first use. A broker that is gone is looked for again
and again; until it is back there is nothing new.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis.asyncio import Redis

from common.broker import CHANNEL as CHANGED
from monitoring.live.publish import CHANNEL, KEPT_S, TOPICS, kept

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """gather_s: topics that are told together wake the sockets once."""

    gather_s: float = 0.02
    first_back_off_s: float = 0.5
    longest_back_off_s: float = 10.0


USUAL = Pace()


@dataclass(frozen=True, slots=True)
class Text:
    """number: counts what this process heard. heard_at: monotonic."""

    number: int
    text: str
    heard_at: float


class Hub:
    """on_change: called at each notice that rows changed."""

    def __init__(
        self,
        broker_url: str,
        on_change: Callable[[], None] = lambda: None,
        pace: Pace = USUAL,
    ) -> None:
        self.pace = pace
        self._on_change = on_change
        self._broker_url = broker_url
        self._newest: dict[str, Text] = {}
        self._number = 0
        self._listeners: set[asyncio.Event] = set()
        self._waking = False
        self._task: asyncio.Task[None] | None = None
        self._away = False
        self._back_off = pace.first_back_off_s

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """redis-py swallows a cancellation that comes while it connects, so it may need
        more than one."""
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.01)
        self._task = None

    def newest(self, topics: Iterable[str], than: int) -> Iterator[Text]:
        """What came after text number `than`, but nothing old: a monitor that is gone
        has no newest second."""
        oldest = time.monotonic() - KEPT_S
        for topic in topics:
            text = self._newest.get(topic)
            if text and text.number > than and text.heard_at > oldest:
                yield text

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Set whenever there is news, and at first. To be cleared by who waits."""
        self.start()
        event = asyncio.Event()
        event.set()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except Exception as error:
                # Whatever it is, the next try may work.
                self._miss_broker(error)
            await asyncio.sleep(self._back_off)
            self._back_off = min(self._back_off * 2, self.pace.longest_back_off_s)

    async def _hear(self) -> None:
        broker: Redis = Redis.from_url(self._broker_url, decode_responses=True)
        async with broker, broker.pubsub() as heard:
            await heard.subscribe(CHANNEL, CHANGED)
            for text in await broker.mget([kept(topic) for topic in TOPICS]):
                if text:
                    self._take(str(text))
            self._away = False
            self._back_off = self.pace.first_back_off_s
            async for message in heard.listen():
                if message["channel"] == CHANGED:
                    self._on_change()
                elif message["type"] == "message":
                    self._take(message["data"])

    def _take(self, text: str) -> None:
        try:
            topic = json.loads(text)["topic"]
        except (ValueError, TypeError, KeyError):
            return  # somebody else's
        if topic in TOPICS:
            self._number += 1
            self._newest[topic] = Text(self._number, text, time.monotonic())
            self._wake_soon()

    def _wake_soon(self) -> None:
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_later(self.pace.gather_s, self._wake)

    def _wake(self) -> None:
        self._waking = False
        for event in self._listeners:
            event.set()

    def _miss_broker(self, error: Exception) -> None:
        if not self._away:
            logger.warning("broker: %s; the live view is interrupted", error)
        self._away = True
