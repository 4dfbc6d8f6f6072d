"""/ws/live: what is measured, each second, to everybody who may see it.

A client gets the newest text of each of its topics; one that is slow misses seconds,
none is kept for it. It may say {"topics": ["host", ...]}, of which it then gets no
others, and {"seen": n}: having done so, it is sent no more than AHEAD texts that it has
not yet seen, n counting those that came in on this socket. Without that, what a slow
network holds up would be shown late instead of left out.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from monitoring import handshake
from monitoring.admission import Admission, Guest
from monitoring.hub import Hub
from monitoring.live import TOPICS
from monitoring.viewers import NOTHING, Credential, Topics

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 1024
AHEAD = 20  # about three seconds of all topics
WORDS = {"topics", "seen"}
# 4000 to 4999 are free for any application's use.
BAD_MESSAGE = 4400
SIGNED_OUT = 4401


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    # No such layer: a queue in the broker for each socket would never be used.
    channel_layer_alias = "none"

    def __init__(self, hub: Hub, admission: Admission) -> None:
        super().__init__()
        self.hub = hub
        self.admission = admission
        self.topics = self.wanted = NOTHING
        self.sending: asyncio.Task[None] | None = None
        self.signed_out = False
        self.sent = 0
        self.seen: int | None = None
        self.has_seen = asyncio.Event()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Channels would look after database connections first, in a thread."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        """Closing it before it is accepted is HTTP 403."""
        asked = handshake.credential(self.scope)
        if asked and handshake.origin_is_allowed(self.scope):
            self.topics = self.wanted = await self._topics(asked)
        if asked is None or not self.topics:
            await self.close()
            return
        await self.accept(handshake.subprotocol(self.scope))
        guest = Guest(asked, self.topics, self._sign_out)
        self.sending = asyncio.create_task(self._serve(guest))

    async def _topics(self, asked: Credential) -> Topics:
        try:
            return await self.admission.topics(asked)
        except DatabaseError as error:
            logger.error("database: %s", error)
            return NOTHING

    async def disconnect(self, code: int) -> None:
        if self.sending is not None:
            self.sending.cancel()

    def _sign_out(self) -> None:
        self.signed_out = True
        if self.sending is not None:
            self.sending.cancel()

    async def _serve(self, guest: Guest) -> None:
        try:
            with self.admission.inside(guest), self.hub.listening() as news:
                await self._send_newest(news)
        except OSError:
            pass  # the client is gone
        except asyncio.CancelledError:
            if self.signed_out:
                await self.close(SIGNED_OUT)

    async def _send_newest(self, news: asyncio.Event) -> None:
        number = 0
        while True:
            await news.wait()
            await self._room()
            news.clear()
            for text in list(self.hub.newest(self.wanted, number)):
                number = max(number, text.number)
                self.sent += 1
                await self.send(text.text)

    async def _room(self) -> None:
        while self.seen is not None and self.sent - self.seen >= AHEAD:
            self.has_seen.clear()
            await self.has_seen.wait()

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        if not self._understand(text_data):
            await self.close(BAD_MESSAGE)

    def _understand(self, text: str | None) -> bool:
        if text is None or len(text) > LONGEST_MESSAGE:
            return False
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return False
        return isinstance(said, dict) and said.keys() <= WORDS and self._hear(**said)

    def _hear(self, topics: Any = None, seen: Any = None) -> bool:
        if topics is not None:
            if not isinstance(topics, list) or not all(t in TOPICS for t in topics):
                return False
            self.wanted = self.topics & frozenset(topics)
        if seen is not None:
            if type(seen) is not int or not 0 <= seen <= self.sent:
                return False
            self.seen = seen
            self.has_seen.set()
        return True
