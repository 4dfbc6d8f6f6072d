"""Connections to engines, and which replica gets the next request."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from gateway.routes.table import Target

CONNECT_S = 5
SILENCE_S = 600


class UnreachableError(Exception):
    """No answer, or one that broke off."""


class SilentError(Exception):
    """Nothing came for too long."""


class Engines:
    """A new connection for each request; belongs to the event loop of its first use."""

    def __init__(self, silence_s: float = SILENCE_S) -> None:
        self.silence_s = silence_s
        self.in_flight: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None
        self._turn = 0

    def choose(self, targets: Sequence[Target]) -> Target:
        """Least requests in flight, in turn among equals."""
        self._turn += 1
        first = self._turn % len(targets)
        in_turn = [*targets[first:], *targets[:first]]
        return min(in_turn, key=lambda target: self.in_flight[target.run_uid])

    @asynccontextmanager
    async def ask(
        self, target: Target, path: str, content: bytes
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Raises UnreachableError, SilentError. Leaving before the end closes the
        connection: engines stop working on what nobody waits for."""
        headers = {
            "Authorization": f"Bearer {target.api_key}",
            "Content-Type": "application/json",
        }
        self.in_flight[target.run_uid] += 1
        try:
            async with self._open().post(
                target.base_url + path,
                data=content,
                headers=headers,
                allow_redirects=False,
            ) as response:
                yield response
        except aiohttp.ConnectionTimeoutError as error:
            raise UnreachableError from error
        except aiohttp.ServerTimeoutError as error:
            raise SilentError from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError) as error:
            raise UnreachableError from error
        finally:
            self._release(target)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _release(self, target: Target) -> None:
        self.in_flight[target.run_uid] -= 1
        if not self.in_flight[target.run_uid]:
            del self.in_flight[target.run_uid]

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # llama.cpp closes connections after each stream and does not say so: a
                # request on one that is kept meets that moment, and cannot be told
                # from one that the engine died of. A new one costs 0.25 ms.
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_S, sock_read=self.silence_s
                ),
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
            )
        return self._session
