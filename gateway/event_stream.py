"""A stream of server-sent events to the client that stays alive while an engine queues
or reads the prompt: proxies close connections that send nothing for a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.conf import settings

from gateway.http import EVENT_STREAM, Request

# Headers fix the status 200. Engines reject most invalid requests within this time, and
# clients then get the proper status instead of an error event.
HEADERS_AFTER_S = 0.5
COMMENT = b": keep-alive\n\n"


class EventStream:
    """has_events: whether the client has received part of the response, so that no
    other replica can take over."""

    def __init__(self, request: Request) -> None:
        self.has_events = False
        self._request = request
        self._writes = 0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._keep_alive())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def write(self, events: bytes) -> None:
        if events:
            self.has_events = True
            await self._write(events)

    async def finish(self) -> None:
        await self._request.finish()

    async def _keep_alive(self) -> None:
        await asyncio.sleep(HEADERS_AFTER_S)
        await self._write(b"")
        while True:
            before = self._writes
            await asyncio.sleep(settings.STREAM_KEEPALIVE_SECONDS)
            if self._writes == before:
                await self._write(COMMENT)

    async def _write(self, content: bytes) -> None:
        """Headers come first, whichever task is the first to write."""
        async with self._lock:
            self._writes += 1
            if not self._request.response_started:
                await self._request.start_response(200, EVENT_STREAM)
            if content:
                await self._request.write(content)
