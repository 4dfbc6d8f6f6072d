"""Answers that are made while they are sent.

Django on ASGI reads an ordinary iterator to its end before it sends the first byte. So
chunks are pulled one at a time, each when the client has taken the one before, on a
thread of the answer's own: a database connection belongs to a thread.
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
    """close() may be called at any time, more than once, or never: by the answer that
    is over, by a client that went away, or by nobody, if the answer was never begun."""

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
    """What belongs to the thread is closed there, behind a chunk in the making."""
    done()
    thread.submit(_close, chunks)
    thread.shutdown(wait=False)


def _close(chunks: Iterator[bytes]) -> None:
    try:
        if close := getattr(chunks, "close", None):
            close()
    finally:
        connections.close_all()


class Places:
    """So many answers at once for each user, in this process."""

    def __init__(self, each: int) -> None:
        self.each = each
        self.taken: dict[Key, int] = defaultdict(int)
        self.lock = threading.Lock()

    def take(self, key: Key) -> Callable[[], None] | None:
        """What gives the place back; None if there is none left."""
        with self.lock:
            if self.taken[key] >= self.each:
                return None
            self.taken[key] += 1
        return lambda: self._give_back(key)

    def _give_back(self, key: Key) -> None:
        with self.lock:
            self.taken[key] -= 1
            if not self.taken[key]:
                del self.taken[key]
