"""Stream a response from a synchronous iterator.

On ASGI, Django reads an ordinary iterator to its end before it sends the first byte.
Here, chunks are pulled one at a time, as the client reads them. Each stream has its own
thread, because a database connection belongs to a thread.
"""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.db import connections

Key = int | None


class Stream:
    """close() may be called at any time, repeatedly or never; done is called exactly
    once, even if the response is never sent."""

    def __init__(self, chunks: Iterator[bytes], done: Callable[[], None]) -> None:
        self._chunks = chunks
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="export")
        self._end = weakref.finalize(self, _end, self._thread, chunks, done)
        self._end.atexit = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pull = sync_to_async(self._pull, thread_sensitive=False, executor=self._thread)
        while chunk := await pull():
            yield chunk

    def _pull(self) -> bytes:
        return next(self._chunks, b"")

    def close(self) -> None:
        self._end()


def _end(
    thread: ThreadPoolExecutor, chunks: Iterator[bytes], done: Callable[[], None]
) -> None:
    """Resources of the thread are closed in the thread, after the current chunk."""
    done()
    thread.submit(_close, chunks)
    thread.shutdown(wait=False)


def _close(chunks: Iterator[bytes]) -> None:
    try:
        if close := getattr(chunks, "close", None):
            close()
    finally:
        connections.close_all()


class StreamLimit:
    """Limits concurrent streams per user, in this process."""

    def __init__(self, per_user: int) -> None:
        self.per_user = per_user
        self.active: dict[Key, int] = defaultdict(int)
        self.lock = threading.Lock()

    def acquire(self, key: Key) -> Callable[[], None] | None:
        """Returns a function that releases the stream, or None at the limit."""
        with self.lock:
            if self.active[key] >= self.per_user:
                return None
            self.active[key] += 1
        return lambda: self._release(key)

    def _release(self, key: Key) -> None:
        with self.lock:
            self.active[key] -= 1
            if not self.active[key]:
                del self.active[key]
