"""Send a request to an engine and its answer back, as it comes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from gateway.engines.client import Engines, SilentError, UnreachableError
from gateway.engines.errors import (
    EngineRefusedError,
    answer_of,
    refusal,
    refusal_under_200,
)
from gateway.errors import engine_failed, engine_timeout, not_serving
from gateway.http import EVENT_STREAM, Exchange
from gateway.protocol.assembly import Assembly
from gateway.protocol.sse import DONE, NOTHING, Events, EventTooLongError, data_of
from gateway.protocol.validation import dumped
from gateway.routes.table import Route, Target
from gateway.usage.tracker import Measured
from models_app.enums import Status

logger = logging.getLogger(__name__)


class Reply(Protocol):
    """Turns what an engine answers into what the client gets."""

    done: bool

    def whole(self, content: bytes) -> bytes: ...
    def event(self, event: bytes) -> bytes:
        """Nothing, one or more events. Raises EngineRefusedError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """path and content: as the engine gets them. stream: what the client wants; engines
    are asked to stream in any case, see gateway.protocol.assembly."""

    path: str
    content: bytes
    stream: bool
    reply: Reply


@dataclass(frozen=True, slots=True)
class Relay:
    engines: Engines
    exchange: Exchange
    route: Route
    request: Request
    measured: Measured

    async def run(self) -> None:
        """Raises GatewayError. An engine that fails before anything was sent is given
        up for another replica, once."""
        if self.route.status != Status.RUNNING or not self.route.targets:
            raise not_serving(self.route)
        target = self.engines.choose(self.route.targets)
        others = [other for other in self.route.targets if other != target]
        try:
            await self._through(target)
        except UnreachableError as error:
            self._miss(target, error)
            if self.exchange.started or not others:
                raise engine_failed(self.route) from None
            await self._second_chance(self.engines.choose(others))

    async def _second_chance(self, target: Target) -> None:
        self.measured.first_token_at = None
        try:
            await self._through(target)
        except UnreachableError as error:
            self._miss(target, error)
            raise engine_failed(self.route) from None

    async def _through(self, target: Target) -> None:
        request = self.request
        try:
            async with self.engines.ask(
                target, request.path, request.content
            ) as response:
                await self._pass_on(response, target)
        except SilentError as error:
            self._miss(target, error)
            raise engine_timeout(self.route) from None
        except EngineRefusedError as error:
            self._miss(target, error)
            raise refusal_under_200(self.route, error.told) from None
        except EventTooLongError as error:
            raise UnreachableError from error

    async def _pass_on(self, response: aiohttp.ClientResponse, target: Target) -> None:
        if response.status != 200:
            error = refusal(self.route, response.status, await response.read())
            if error.status >= 500:
                self._miss(target, f"status {response.status}")
            raise error
        if self.request.stream:
            await self._pass_on_events(response)
        else:
            streamed = response.content_type == "text/event-stream"
            content = await (self._collected(response) if streamed else response.read())
            await self.exchange.answer(200, self.request.reply.whole(content))

    async def _pass_on_events(self, response: aiohttp.ClientResponse) -> None:
        events = Events()
        async for chunk in response.content.iter_any():
            await self._send(self._seen(events.feed(chunk)))
        await self._send(self._seen(events.end()))
        if not self.request.reply.done:
            raise UnreachableError("the stream broke off")
        await self.exchange.finish()

    async def _send(self, events: list[bytes]) -> None:
        content = b"".join(map(self.request.reply.event, events))
        if content and not self.exchange.started:
            await self.exchange.start(200, EVENT_STREAM)
        if content:
            await self.exchange.write(content)

    async def _collected(self, response: aiohttp.ClientResponse) -> bytes:
        """Raises EngineRefusedError, EventTooLongError, UnreachableError."""
        events, assembly = Events(), Assembly()
        async for chunk in response.content.iter_any():
            _collect(self._seen(events.feed(chunk)), assembly)
        _collect(self._seen(events.end()), assembly)
        if not assembly.done:
            raise UnreachableError("the stream broke off")
        return dumped(assembly.whole())

    def _seen(self, events: list[bytes]) -> list[bytes]:
        """Engines begin to answer with the first token, at most with comments before;
        those between tokens are not looked for, which would cost each of them."""
        known = self.measured.first_token_at is not None
        if events and (known or any(map(data_of, events))):
            self.measured.see_tokens()
        return events

    def _miss(self, target: Target, cause: Exception | str) -> None:
        if isinstance(cause, Exception):
            cause = type(cause.__cause__ or cause).__name__
        logger.warning("model %s, run %s: %s", self.route.name, target.run_uid, cause)


def _collect(events: list[bytes], assembly: Assembly) -> None:
    for data in map(data_of, events):
        if data == DONE:
            assembly.done = True
        elif data and data != NOTHING:
            assembly.feed(answer_of(data))
