"""Follows the log of a container.

The daemon has no positions in a log, only times. Entries are therefore requested from
the second before the newest known one on, and known ones are dropped.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from docker import APIClient

from runtimes.drivers.base import Chunk, DriverError
from runtimes.drivers.dockerd import Daemon

# Of one response, hence the most that is read between two calls; the rest is skipped.
MOST_ENTRIES = 20_000
ENTRY_BYTES = 64  # of a usual line, to guess how many make up so many bytes
HEADER = struct.Struct(">BxxxL")


class ContainerLog:
    """Begins some max_bytes before the end of what there is. name: of the container."""

    def __init__(self, daemon: Daemon, name: str, max_bytes: int) -> None:
        self.daemon = daemon
        self.name = name
        self.max_bytes = max_bytes
        self.unread = b""
        self.known: set[bytes] = set()
        self.newest = b""
        self.skipped = False

    def read(self, max_bytes: int) -> Chunk:
        if not self.unread:
            self._ask()
        data, self.unread = self.unread[:max_bytes], self.unread[max_bytes:]
        skipped = self.skipped and bool(data)
        self.skipped = self.skipped and not data
        return Chunk(data=data, skipped=skipped)

    def close(self) -> None:
        self.unread = b""

    def _ask(self) -> None:
        first = not self.newest
        most = self._most() if first else MOST_ENTRIES
        data, new = bytearray(), 0
        times: deque[bytes] = deque(maxlen=MOST_ENTRIES)
        with suppress(DriverError), self.daemon.talk() as client:
            for entry in _entries(client, self.name, most, _before(self.newest)):
                at, _, text = entry.partition(b" ")
                times.append(at)
                if at not in self.known:
                    new += 1
                    data += text
        if new:
            self.skipped = new == most or (first and len(data) > self.max_bytes)
            self.unread = bytes(data[-self.max_bytes :] if first else data)
            self.known = set(times)
            self.newest = max(times)

    def _most(self) -> int | str:
        entries = 1 + self.max_bytes // ENTRY_BYTES
        return entries if entries < MOST_ENTRIES else "all"


def _entries(
    client: APIClient, name: str, most: int | str, since: int | None
) -> Iterator[bytes]:
    """TIME SPACE TEXT each; a line of more than 16 KiB is several."""
    params = {"stdout": 1, "stderr": 1, "timestamps": 1, "tail": most}
    if since is not None:
        params["since"] = since
    url = f"{client.base_url}/v{client.api_version}/containers/{name}/logs"
    answer = client.get(url, params=params, timeout=client.timeout)
    answer.raise_for_status()
    content, at = answer.content, 0
    while at + HEADER.size <= len(content):
        _stream, length = HEADER.unpack_from(content, at)
        at += HEADER.size
        yield content[at : at + length]
        at += length


def _before(time: bytes) -> int | None:
    """The second before it, as seconds since 1970. time:
    2024-01-31T12:00:00.123456789Z, or empty."""
    if not time:
        return None
    return int(datetime.fromisoformat(f"{time[:19].decode()}+00:00").timestamp()) - 1
