"""What all websockets have in common: who may open them, and for how long.

A client may say {"seen": n}: having done so, it is sent no more than AHEAD texts that
it has not yet seen, n counting those that came in on this socket. Without that, what a
slow network holds up would be shown late instead of left out, and kept until then.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from monitoring.live import handshake
from monitoring.live.admission import Admission, Guest
from monitoring.live.permissions import NOTHING, Credential, Topics

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 1024
# 4000 to 4999 are free for any application's use.
BAD_MESSAGE = 4400
SIGNED_OUT = 4401


class GuardedConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Only for as long as all of `needed`, or of what it was let in for, may be heard.
    words: that a client may say. ahead: texts."""

    # No such layer: a queue in the broker for each socket would never be used.
    channel_layer_alias = "none"
    needed: Topics = NOTHING
    words: frozenset[str] = frozenset({"seen"})
    ahead = 20

    def __init__(self, admission: Admission) -> None:
        super().__init__()
        self.admission = admission
        self.topics = NOTHING
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
            self.topics = await self._topics(asked)
        if asked is None or not self.topics or not self.needed <= self.topics:
            await self.close()
            return
        await self.accept(handshake.subprotocol(self.scope))
        guest = Guest(asked, self.needed or self.topics, self._sign_out)
        self.sending = asyncio.create_task(self._serve(guest))

    async def talk(self) -> None:
        """What is told, until it is cancelled or there is no more."""
        raise NotImplementedError

    def handle(self, **said: Any) -> bool:
        """Whether it makes sense. said: some of `words`, but "seen"."""
        return not said

    async def tell(self, text: str) -> None:
        """Once there is room. What else there is to tell waits."""
        await self.room()
        await self.say(text)

    async def say(self, text: str) -> None:
        self.sent += 1
        await self.send(text)

    async def room(self) -> None:
        while self.seen is not None and self.sent - self.seen >= self.ahead:
            self.has_seen.clear()
            await self.has_seen.wait()

    async def disconnect(self, code: int) -> None:
        if self.sending is not None:
            self.sending.cancel()

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        if not self._understand(text_data):
            await self.close(BAD_MESSAGE)

    async def _topics(self, asked: Credential) -> Topics:
        try:
            return await self.admission.topics(asked)
        except DatabaseError as error:
            logger.error("database: %s", error)
            return NOTHING

    def _sign_out(self) -> None:
        self.signed_out = True
        if self.sending is not None:
            self.sending.cancel()

    async def _serve(self, guest: Guest) -> None:
        try:
            with self.admission.inside(guest):
                await self.talk()
        except OSError:
            pass  # the client is gone
        except asyncio.CancelledError:
            if self.signed_out:
                await self.close(SIGNED_OUT)

    def _understand(self, text: str | None) -> bool:
        if text is None or len(text) > LONGEST_MESSAGE:
            return False
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return False
        if not isinstance(said, dict) or not said.keys() <= self.words:
            return False
        seen = said.pop("seen", None)
        return self.handle(**said) and (seen is None or self._acknowledge(seen))

    def _acknowledge(self, seen: Any) -> bool:
        if type(seen) is not int or not 0 <= seen <= self.sent:
            return False
        self.seen = seen
        self.has_seen.set()
        return True
