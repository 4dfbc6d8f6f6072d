"""/ws/live: what is measured, each second, to everybody who may see it.

A client gets the newest text of each of its topics; one that is slow misses seconds,
none is kept for it. It may say {"topics": ["host", ...]}, of which it then gets no
others, and {"seen": n}, see monitoring.guarded.
"""

from __future__ import annotations

import asyncio
from typing import Any

from monitoring.live.admission import Admission
from monitoring.live.base_consumer import GuardedConsumer
from monitoring.live.permissions import Topics
from monitoring.live.publish import TOPICS
from monitoring.live.subscribe import Hub


class LiveConsumer(GuardedConsumer):
    words = frozenset({"topics", "seen"})
    ahead = 20  # about three seconds of all topics

    def __init__(self, hub: Hub, admission: Admission) -> None:
        super().__init__(admission)
        self.hub = hub
        self.chosen: Topics | None = None

    @property
    def wanted(self) -> Topics:
        return self.topics if self.chosen is None else self.topics & self.chosen

    async def talk(self) -> None:
        with self.hub.listening() as news:
            await self._send_newest(news)

    async def _send_newest(self, news: asyncio.Event) -> None:
        number = 0
        while True:
            await news.wait()
            await self.room()
            news.clear()
            for text in list(self.hub.newest(self.wanted, number)):
                number = max(number, text.number)
                await self.say(text.text)

    def handle(self, **said: Any) -> bool:
        topics = said.get("topics")
        if topics is None:
            return True
        if not isinstance(topics, list) or not all(t in TOPICS for t in topics):
            return False
        self.chosen = frozenset(topics)
        return True
