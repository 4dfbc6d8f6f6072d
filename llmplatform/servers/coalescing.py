"""Send the head of a response together with the start of its body.

uvicorn writes them separately: two calls of the system and two packets for each
response. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

HEAD = b"HTTP/1.1 "
# Larger parts are not worth a copy.
COPIED_BYTES = 64 * 1024


class CoalescingTransport:
    """Holds a head back until the next part, or the end of the loop's turn."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._transport, self._loop = transport, loop
        self._held = b""

    def write(self, data: bytes) -> None:
        if self._held:
            if len(data) <= COPIED_BYTES:
                data, self._held = self._held + data, b""
            self.flush()
        elif data.startswith(HEAD):
            self._held = data
            self._loop.call_soon(self.flush)
            return
        self._transport.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.write(b"".join(parts))

    def flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def write_eof(self) -> None:
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
