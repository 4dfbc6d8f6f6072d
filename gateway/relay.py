"""Send a request to an engine and pass its response on to the client as it arrives."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from gateway.dialects.base import EngineRequest
from gateway.engines.client import (
    MAX_RESPONSE_BYTES,
    EngineClient,
    ResponseTooLargeError,
    read_all,
)
from gateway.engines.connection import (
    Connection,
    EngineTimeoutError,
    EngineUnreachableError,
)
from gateway.engines.errors import (
    EngineRejectedError,
    error_from_body,
    error_from_response,
    parse_response,
)
from gateway.errors import (
    GatewayError,
    engine_failed,
    engine_timeout,
    not_serving,
    response_too_large,
)
from gateway.http import EVENT_STREAM, Request
from gateway.protocol.assembly import ResponseAssembler
from gateway.protocol.sse import (
    DONE,
    NULL,
    EventSplitter,
    EventTooLongError,
    event_data,
)
from gateway.protocol.validation import dump_json
from gateway.routes.table import Replica, Route
from gateway.usage.tracker import RequestStats

EVENT_DATA = b"data: "
ROLE = b'"role"'  # of the first event of a chat, which has no token

logger = logging.getLogger(__name__)

OK = 200
SERVER_ERROR = 500
UNAVAILABLE = 503


class _TryAnotherError(Exception):
    """problem: for the client, if there is no other replica."""

    def __init__(self, problem: GatewayError) -> None:
        super().__init__()
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Relay:
    engines: EngineClient
    request: Request
    route: Route
    engine_request: EngineRequest
    stats: RequestStats
    affinity: str = ""

    async def run(self) -> None:
        """If a replica refuses or fails before the response has started, tries another
        one, once. Raises GatewayError."""
        replicas = self.route.replicas
        if not self.route.is_serving:
            raise not_serving(self.route)
        replica = self.engines.choose(replicas, self.affinity)
        try:
            await self._send_to(replica)
        except _TryAnotherError as error:
            others = [other for other in replicas if other != replica]
            if self.request.has_content or not others:
                raise error.problem from None
            await self._retry(self.engines.choose(others, self.affinity))

    async def _retry(self, replica: Replica) -> None:
        self.stats.first_token_at = None
        try:
            await self._send_to(replica)
        except _TryAnotherError as error:
            raise error.problem from None

    async def _send_to(self, replica: Replica) -> None:
        sent = self.engine_request
        try:
            async with self.engines.post(
                replica, sent.path, sent.content, sent.content_type
            ) as response:
                await self._forward(response, replica)
        except (EngineUnreachableError, EventTooLongError) as error:
            self._record_failure(replica, error)
            raise _TryAnotherError(engine_failed(self.route)) from error
        except EngineTimeoutError as error:
            self._record_failure(replica, error)
            raise engine_timeout(self.route) from None
        except EngineRejectedError as error:
            self._log_failure(replica, error)
            raise error_from_body(self.route, error.body) from None
        except ResponseTooLargeError:
            raise response_too_large() from None
        else:
            self.engines.record(replica, failed=False)

    async def _forward(self, response: Connection, replica: Replica) -> None:
        if response.status != OK:
            content = await read_all(response)
            error = error_from_response(self.route, response.status, content)
            if error.status >= SERVER_ERROR:
                self._record_failure(replica, f"status {response.status}")
            if error.status == UNAVAILABLE:
                raise _TryAnotherError(error)
            raise error
        if self.engine_request.stream:
            await self._forward_events(response)
            return
        is_stream = response.content_type.startswith(b"text/event-stream")
        content = await (self._assemble if is_stream else read_all)(response)
        translator = self.engine_request.translator
        await self.request.respond(OK, translator.translate_body(content))

    async def _forward_events(self, response: Connection) -> None:
        splitter = EventSplitter()
        translator, stats = self.engine_request.translator, self.stats
        while chunk := await response.read():
            is_whole = not splitter.rest and chunk.endswith(b"\n\n")
            has_begun = self.request.has_content
            if is_whole and has_begun and translator.passes(chunk):
                stats.record_tokens(chunk.count(EVENT_DATA))
                await self.request.write(chunk)
            else:
                await self._write(self._record_tokens(splitter.feed(chunk)))
        await self._write(self._record_tokens(splitter.flush()))
        if not translator.done:
            raise EngineUnreachableError("the stream ended early")
        await self.request.finish()

    async def _write(self, events: list[bytes]) -> None:
        content = b"".join(map(self.engine_request.translator.translate_event, events))
        if content and not self.request.response_started:
            await self.request.start_response(OK, EVENT_STREAM)
        if content:
            await self.request.write(content)

    async def _assemble(self, response: Connection) -> bytes:
        """Raises EngineRejectedError, EventTooLongError, EngineUnreachableError,
        ResponseTooLargeError."""
        splitter = EventSplitter()
        assembler = ResponseAssembler(self.engine_request.completions_per_prompt)
        size = 0
        while chunk := await response.read():
            size += len(chunk)
            if size > MAX_RESPONSE_BYTES:
                raise ResponseTooLargeError
            _feed(assembler, self._record_tokens(splitter.feed(chunk)))
        _feed(assembler, self._record_tokens(splitter.flush()))
        if not assembler.done:
            raise EngineUnreachableError("the stream ended early")
        return dump_json(assembler.result())

    def _record_tokens(self, events: list[bytes]) -> list[bytes]:
        """Engines may send comments before the first token. Later events are not
        checked for comments: that would cost time on every token."""
        has_first = self.stats.first_token_at is not None
        if events and (has_first or any(map(event_data, events))):
            without = 0 if has_first else sum(ROLE in event for event in events)
            self.stats.record_tokens(len(events) - without)
        return events

    def _record_failure(self, replica: Replica, cause: Exception | str) -> None:
        self.engines.record(replica, failed=True)
        self._log_failure(replica, cause)

    def _log_failure(self, replica: Replica, cause: Exception | str) -> None:
        """Never the engine's own message, which may quote the request."""
        if isinstance(cause, Exception):
            cause = type(cause.__cause__ or cause).__name__
        logger.warning(
            "request to model %s failed on run %s: %s",
            self.route.name,
            replica.run_uid,
            cause,
        )


def _feed(assembler: ResponseAssembler, events: list[bytes]) -> None:
    for data in map(event_data, events):
        if data == DONE:
            assembler.done = True
        elif data and data != NULL:
            assembler.feed(parse_response(data))
