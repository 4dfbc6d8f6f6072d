"""HTTP client for engines, with load balancing over replicas."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from gateway.routes.table import Replica

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 600
# Of a response that is held in memory as a whole: 150,000 tokens, or a tenth of that
# with log probabilities. In memory it takes several times as much.
MAX_RESPONSE_BYTES = 32 * 2**20


class EngineUnreachableError(Exception):
    """No response, or one that broke off."""


class EngineTimeoutError(Exception):
    """The engine sent nothing for READ_TIMEOUT_S."""


class ResponseTooLargeError(Exception):
    """Larger than MAX_RESPONSE_BYTES."""


async def bounded(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body in chunks. Raises ResponseTooLargeError."""
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_RESPONSE_BYTES:
            raise ResponseTooLargeError
        yield chunk


class EngineClient:
    """Opens a connection per request. Belongs to the event loop of its first use."""

    def __init__(self, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self.read_timeout_s = read_timeout_s
        self.in_flight: Counter[str] = Counter()
        self._sessions: dict[str, aiohttp.ClientSession] = {}  # by socket
        self._turn = 0

    def choose(self, replicas: Sequence[Replica]) -> Replica:
        """The replica with the fewest requests in flight; round-robin among equals."""
        self._turn += 1
        first = self._turn % len(replicas)
        rotated = [*replicas[first:], *replicas[:first]]
        return min(rotated, key=lambda replica: self.in_flight[replica.run_uid])

    @asynccontextmanager
    async def post(
        self, replica: Replica, path: str, content: bytes
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Leaving the context early closes the connection, so that the engine stops
        generating. Raises EngineUnreachableError, EngineTimeoutError."""
        headers = {
            "Authorization": f"Bearer {replica.api_key}",
            "Content-Type": "application/json",
        }
        self.in_flight[replica.run_uid] += 1
        try:
            session = await self._session(replica.socket)
            async with session.post(
                replica.base_url + path,
                data=content,
                headers=headers,
                allow_redirects=False,
            ) as response:
                yield response
        except aiohttp.ConnectionTimeoutError as error:
            raise EngineUnreachableError from error
        except aiohttp.ServerTimeoutError as error:
            raise EngineTimeoutError from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as error:
            raise EngineUnreachableError from error
        finally:
            self._release(replica)

    async def close(self) -> None:
        while self._sessions:
            await self._sessions.popitem()[1].close()

    def _release(self, replica: Replica) -> None:
        self.in_flight[replica.run_uid] -= 1
        if not self.in_flight[replica.run_uid]:
            del self.in_flight[replica.run_uid]

    async def _session(self, socket: str) -> aiohttp.ClientSession:
        if socket not in self._sessions:
            gone = [path for path in self._sessions if path and not Path(path).exists()]
            self._sessions[socket] = self._new_session(socket)
            for path in gone:
                await self._sessions.pop(path).close()
        return self._sessions[socket]

    def _new_session(self, socket: str) -> aiohttp.ClientSession:
        # llama.cpp closes its connection after each stream without announcing it. A
        # request on a kept-alive connection may hit that moment, which looks like an
        # engine crash. A new connection costs 0.25 ms.
        connector = (
            aiohttp.UnixConnector(socket, limit=0, force_close=True)
            if socket
            else aiohttp.TCPConnector(limit=0, force_close=True)
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=CONNECT_TIMEOUT_S,
                sock_read=self.read_timeout_s,
            ),
            skip_auto_headers=("User-Agent", "Accept-Encoding"),
        )
