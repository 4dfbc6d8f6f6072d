"""Base class of all websockets: access control and flow control.

A client acknowledges messages with {"seen": n}, the number of messages that it has
received on this websocket. From then on at most max_unacknowledged messages are in
flight, so that a slow network skips messages instead of delaying them.
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
from monitoring.live.admission import Admission, Connection
from monitoring.live.permissions import NO_TOPICS, Credential, Topics

logger = logging.getLogger(__name__)

MAX_MESSAGE_CHARS = 1024
# 4000 to 4999 are reserved for applications.
BAD_MESSAGE = 4400
SIGNED_OUT = 4401


class GuardedConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Stays open as long as the user may receive all of required_topics, or else all
    topics allowed at connect. allowed_fields: of a client's messages."""

    # No channel layer: its queue per websocket in the broker would never be used.
    channel_layer_alias = "none"
    required_topics: Topics = NO_TOPICS
    allowed_fields: frozenset[str] = frozenset({"seen"})
    max_unacknowledged = 20

    def __init__(self, admission: Admission) -> None:
        super().__init__()
        self.admission = admission
        self.topics = NO_TOPICS
        self.sending: asyncio.Task[None] | None = None
        self.signed_out = False
        self.sent = 0
        self.seen: int | None = None
        self.has_seen = asyncio.Event()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Skips Channels' clean-up of database connections, which runs in a thread."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        """Closing before accepting responds with HTTP 403."""
        credential = handshake.credential(self.scope)
        if credential and handshake.origin_is_allowed(self.scope):
            self.topics = await self._topics(credential)
        has_required = self.required_topics <= self.topics
        if credential is None or not self.topics or not has_required:
            await self.close()
            return
        await self.accept(handshake.subprotocol(self.scope))
        topics = self.required_topics or self.topics
        connection = Connection(credential, topics, self._sign_out)
        self.sending = asyncio.create_task(self._serve(connection))

    async def serve(self) -> None:
        """Sends messages until it is cancelled or done."""
        raise NotImplementedError

    def handle(self, **fields: Any) -> bool:
        """Handles a client's message without "seen". Returns False if it is invalid."""
        return not fields

    async def send_when_ready(self, text: str) -> None:
        await self.wait_for_acknowledgement()
        await self.send_text(text)

    async def send_text(self, text: str) -> None:
        self.sent += 1
        await self.send(text)

    async def wait_for_acknowledgement(self) -> None:
        while (
            self.seen is not None and self.sent - self.seen >= self.max_unacknowledged
        ):
            self.has_seen.clear()
            await self.has_seen.wait()

    async def disconnect(self, code: int) -> None:
        if self.sending is not None:
            self.sending.cancel()

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        if not self._parse(text_data):
            await self.close(BAD_MESSAGE)

    async def _topics(self, credential: Credential) -> Topics:
        try:
            return await self.admission.topics(credential)
        except DatabaseError as error:
            logger.error("database unavailable, rejecting a websocket: %s", error)
            return NO_TOPICS

    def _sign_out(self) -> None:
        self.signed_out = True
        if self.sending is not None:
            self.sending.cancel()

    async def _serve(self, connection: Connection) -> None:
        try:
            with self.admission.watch(connection):
                await self.serve()
        except OSError:
            pass  # the client has disconnected
        except asyncio.CancelledError:
            if self.signed_out:
                await self.close(SIGNED_OUT)

    def _parse(self, text: str | None) -> bool:
        if text is None or len(text) > MAX_MESSAGE_CHARS:
            return False
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            return False
        if not isinstance(fields, dict) or not fields.keys() <= self.allowed_fields:
            return False
        seen = fields.pop("seen", None)
        return self.handle(**fields) and (seen is None or self._acknowledge(seen))

    def _acknowledge(self, seen: Any) -> bool:
        if type(seen) is not int or not 0 <= seen <= self.sent:
            return False
        self.seen = seen
        self.has_seen.set()
        return True
