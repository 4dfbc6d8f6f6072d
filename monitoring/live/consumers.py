"""/ws/live: current values, every second.

A client receives the newest message of each of its topics; a slow one skips messages.
{"topics": ["host", ...]} limits the topics, {"seen": n} acknowledges messages, see
monitoring.live.base_consumer.
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
    allowed_fields = frozenset({"topics", "seen"})
    max_unacknowledged = 20  # about three seconds of all topics

    def __init__(self, hub: Hub, admission: Admission) -> None:
        super().__init__(admission)
        self.hub = hub
        self.selected: Topics | None = None

    @property
    def active_topics(self) -> Topics:
        return self.topics if self.selected is None else self.topics & self.selected

    async def serve(self) -> None:
        with self.hub.listen() as changed:
            await self._send_newest(changed)

    async def _send_newest(self, changed: asyncio.Event) -> None:
        number = 0
        while True:
            await changed.wait()
            await self.wait_for_acknowledgement()
            changed.clear()
            for message in list(self.hub.newest(self.active_topics, number)):
                number = max(number, message.number)
                await self.send_text(message.text)

    def handle(self, **fields: Any) -> bool:
        topics = fields.get("topics")
        if topics is None:
            return True
        if not isinstance(topics, list) or not all(t in TOPICS for t in topics):
            return False
        self.selected = frozenset(topics)
        return True
