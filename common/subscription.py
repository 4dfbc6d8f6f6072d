"""The one subscription of a process to the broker; listeners register with it.

Belongs to the event loop of its first use. While the broker is down it reconnects with
back-off, and messages published meanwhile are lost: listeners must recover by reading
state when they are connected again. Pings reveal a broker that hangs, and a connection
that a firewall has dropped without notice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from common.broker import AsyncClient, AsyncPubSub, BrokerError, connect_async

logger = logging.getLogger(__name__)

OnMessage = Callable[[str], None]
OnConnect = Callable[[AsyncClient], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackOff:
    first_s: float = 0.5
    longest_s: float = 10.0


DEFAULT_BACK_OFF = BackOff()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """ping_s: silence after which the broker is pinged. late_s: silence after which
    changes may be missing. lost_s: silence that ends the connection."""

    ping_s: float = 0.4
    late_s: float = 1.0
    lost_s: float = 5.0


DEFAULT_HEARTBEAT = Heartbeat()


class Subscription:
    def __init__(
        self,
        url: str,
        back_off: BackOff = DEFAULT_BACK_OFF,
        heartbeat: Heartbeat = DEFAULT_HEARTBEAT,
    ) -> None:
        self._url = url
        self._back_off = back_off
        self._heartbeat = heartbeat
        self._last_reply_at = -heartbeat.late_s
        self._wait_s = back_off.first_s
        self._listeners: dict[str, list[OnMessage]] = defaultdict(list)
        self._on_connect: list[OnConnect] = []
        self._task: asyncio.Task[None] | None = None
        self._is_broker_down = False

    def subscribe(
        self, channel: str, on_message: OnMessage, on_connect: OnConnect | None = None
    ) -> None:
        """Call before start(). on_connect runs after each (re)connection, when no
        message can be missed any more."""
        if self._task is not None:
            raise RuntimeError("subscribe() after start()")
        self._listeners[channel].append(on_message)
        if on_connect is not None:
            self._on_connect.append(on_connect)

    @property
    def is_current(self) -> bool:
        """False: messages may be missing."""
        return time.monotonic() - self._last_reply_at < self._heartbeat.late_s

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """redis-py swallows a cancellation while it connects, so the task may need
        several."""
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.01)
        self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._receive()
            except Exception as error:
                # Whatever the cause, the next attempt may work.
                self._log_broker_error(error)
            await asyncio.sleep(self._wait_s)
            self._wait_s = min(self._wait_s * 2, self._back_off.longest_s)

    async def _receive(self) -> None:
        async with connect_async(self._url) as client, client.pubsub() as pubsub:
            async with asyncio.timeout(self._heartbeat.lost_s):
                await pubsub.subscribe(*self._listeners)
                for on_connect in self._on_connect:
                    await on_connect(client)
            self._is_broker_down = False
            self._wait_s = self._back_off.first_s
            self._last_reply_at = time.monotonic()
            while True:
                await self._receive_one(pubsub)

    async def _receive_one(self, pubsub: AsyncPubSub) -> None:
        message = await pubsub.get_message(timeout=self._heartbeat.ping_s)
        now = time.monotonic()
        if message is not None:
            self._last_reply_at = now
            if message["type"] == "message":
                self._deliver(message["channel"], message["data"])
        elif now - self._last_reply_at > self._heartbeat.lost_s:
            raise BrokerError("the broker does not reply")
        else:
            await pubsub.ping()

    def _deliver(self, channel: str, text: str) -> None:
        for on_message in self._listeners[channel]:
            try:
                on_message(text)
            except Exception:
                # One listener's defect must not silence the others.
                logger.exception("listener of %s failed", channel)

    def _log_broker_error(self, error: Exception) -> None:
        if not self._is_broker_down:
            logger.warning(
                "broker unavailable, live updates are interrupted and changes take"
                " effect later: %s",
                error,
            )
        self._is_broker_down = True
