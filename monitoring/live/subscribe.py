"""The newest message of each topic, kept once in each process for all its websockets.

Belongs to the event loop of its first use. While the broker is down there is nothing
new.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from common.broker import AsyncClient
from common.subscription import Subscription
from monitoring.live.publish import (
    CHANNEL,
    LAST_MESSAGE_TTL_S,
    TOPICS,
    last_message_key,
)

GATHER_S = 0.02  # messages that arrive together wake the websockets once


@dataclass(frozen=True, slots=True)
class Message:
    """number: counts the messages that this process received. received_at:
    monotonic."""

    number: int
    text: str
    received_at: float


class Hub:
    def __init__(self, subscription: Subscription, gather_s: float = GATHER_S) -> None:
        self._subscription = subscription
        self._gather_s = gather_s
        self._newest: dict[str, Message] = {}
        self._number = 0
        self._listeners: set[asyncio.Event] = set()
        self._is_waking = False
        subscription.subscribe(CHANNEL, self._on_message, self._read_last)

    def newest(self, topics: Iterable[str], after: int) -> Iterator[Message]:
        """Messages after number `after`, except outdated ones."""
        oldest = time.monotonic() - LAST_MESSAGE_TTL_S
        for topic in topics:
            message = self._newest.get(topic)
            if message and message.number > after and message.received_at > oldest:
                yield message

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """The event is set at first and with each new message; the caller clears it."""
        self._subscription.start()
        event = asyncio.Event()
        event.set()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)

    async def _read_last(self, client: AsyncClient) -> None:
        for text in await client.mget([last_message_key(topic) for topic in TOPICS]):
            if text:
                self._on_message(str(text))

    def _on_message(self, text: str) -> None:
        try:
            topic = json.loads(text)["topic"]
        except (ValueError, TypeError, KeyError):
            return  # not a message of ours
        if topic in TOPICS:
            self._number += 1
            self._newest[topic] = Message(self._number, text, time.monotonic())
            self._wake_soon()

    def _wake_soon(self) -> None:
        if not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_later(self._gather_s, self._wake)

    def _wake(self) -> None:
        self._is_waking = False
        for event in self._listeners:
            event.set()
