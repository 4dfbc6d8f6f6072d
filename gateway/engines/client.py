"""HTTP client for engines, with load balancing over replicas."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from gateway.engines.connection import Connection, EngineUnreachableError
from gateway.engines.pool import ConnectionPool
from gateway.engines.replicas import Ejections, choose
from gateway.routes.table import Replica

READ_TIMEOUT_S = 600
# Of a response that is held in memory as a whole: 150,000 tokens, or a tenth of that
# with log probabilities. In memory it takes several times as much.
MAX_RESPONSE_BYTES = 32 * 2**20
JSON = "application/json"


class ResponseTooLargeError(Exception):
    """Larger than MAX_RESPONSE_BYTES."""


async def read_all(response: Connection) -> bytes:
    """Raises ResponseTooLargeError."""
    content = await response.read()
    parts, size = [content], len(content)
    while content := await response.read():
        parts.append(content)
        size += len(content)
        if size > MAX_RESPONSE_BYTES:
            raise ResponseTooLargeError
    return b"".join(parts)


class EngineClient:
    """Belongs to the event loop of its first use."""

    def __init__(self, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self.pool = ConnectionPool(read_timeout_s)
        self.in_flight: Counter[str] = Counter()
        self.ejections = Ejections()
        self._turn = 0

    def choose(self, replicas: Sequence[Replica], affinity: str = "") -> Replica:
        """affinity: of the request, see gateway.engines.replicas."""
        if len(replicas) == 1:
            return replicas[0]
        self._turn += 1
        candidates = self.ejections.in_rotation(replicas, time.monotonic())
        return choose(candidates, self.in_flight, affinity, self._turn)

    def record(self, replica: Replica, *, failed: bool) -> None:
        """How a request to a replica ended, as far as that is the engine's doing."""
        if failed:
            self.ejections.record_failure(replica.run_uid, time.monotonic())
        else:
            self.ejections.record_success(replica.run_uid)

    def post(
        self, replica: Replica, path: str, content: bytes, content_type: str = JSON
    ) -> Exchange:
        return Exchange(self, replica, _request(replica, path, content, content_type))

    async def close(self) -> None:
        self.pool.close()


class Exchange:
    """A request and its response, as a context. Leaving it before the response has
    ended closes the connection, so that the engine stops generating."""

    def __init__(self, client: EngineClient, replica: Replica, request: bytes) -> None:
        self._client, self._replica, self._request = client, replica, request
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        """The head of the response has arrived. Raises EngineUnreachableError,
        EngineTimeoutError."""
        self._client.in_flight[self._replica.run_uid] += 1
        try:
            return await self._start()
        except BaseException:
            self._end()
            raise

    async def _start(self) -> Connection:
        pool = self._client.pool
        kept = self._connection = pool.take(self._replica)
        if kept is not None:
            try:
                await kept.request(self._request)
            except EngineUnreachableError:
                if kept.has_received:
                    raise
                # As a rule the engine had closed it before it saw the request. If it
                # hung up on the request itself, it gets that a second time.
            else:
                return kept
            kept.abort()
            self._connection = None
        self._connection = opened = await pool.connect(self._replica)
        await opened.request(self._request)
        return opened

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        uid, in_flight = self._replica.run_uid, self._client.in_flight
        in_flight[uid] -= 1
        if not in_flight[uid]:
            del in_flight[uid]
        if self._connection is not None:
            self._client.pool.give_back(self._replica, self._connection)


def _request(replica: Replica, path: str, content: bytes, content_type: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {replica.api_key}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode("latin-1") + content
