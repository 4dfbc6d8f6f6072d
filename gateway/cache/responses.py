"""Which answers are kept, and for which requests they are repeated.

All users of a model share its answers. They belong to its newest run: a model that was
restarted, with whatever configuration and files, begins without any.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

import orjson

from common.request_fields.dialect import Body
from gateway.cache.store import AnswerStore
from gateway.http import EVENT_STREAM, ContentRecorder, Request
from gateway.relay import OK, Relay
from gateway.routes.table import Route
from gateway.usage.tracker import RequestStats

HEADER = b"x-cache"
DIGEST_BYTES = 32
FAILED = 400
# Of requests: take no answer from the cache, or leave it alone altogether
NO_CACHE, NO_STORE = b"no-cache", b"no-store"


class ResponseCache:
    """Belongs to the event loop."""

    def __init__(
        self, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.store = AnswerStore(max_bytes)
        self._clock = clock

    def through(self, relay: Relay, body: Body) -> Relay | Recording | Replay:
        """What serves the request in place of the relay. body: valid in its dialect."""
        request, route = relay.request, relay.route
        directives = request.headers.get(b"cache-control", b"").lower()
        if NO_STORE in directives or not _can_cache(relay):
            return relay
        key = _key(request.path, route, body)
        if key is None:
            return relay
        if NO_CACHE not in directives:
            answer = self.store.get(key, route.cache_ttl_s, self._clock())
            if answer is not None:
                return _replay(relay, answer)
        request.response_headers.append((HEADER, b"miss"))
        return Recording(self, relay, key)

    def keep(self, key: bytes, answer: bytes) -> None:
        self.store.put(key, answer, self._clock())


@dataclass(frozen=True, slots=True)
class Recording:
    """Keeps the answer as it was sent to the client, once it is complete."""

    cache: ResponseCache
    relay: Relay
    key: bytes

    @property
    def route(self) -> Route:
        return self.relay.route

    async def run(self) -> None:
        """Raises GatewayError."""
        recorder = ContentRecorder(self.cache.store.max_answer_bytes)
        self.relay.request.recorder = recorder
        await self.relay.run()
        has_succeeded = self.relay.stats.status < FAILED
        if recorder.is_complete and has_succeeded:
            self.cache.keep(self.key, recorder.content)


@dataclass(frozen=True, slots=True)
class Replay:
    """route: without limits. Those of the caller apply, but a repeated answer takes
    nothing from the model."""

    request: Request
    route: Route
    stats: RequestStats
    is_stream: bool
    answer: bytes

    async def run(self) -> None:
        self.stats.cache_hit = True
        if self.is_stream:
            if not self.request.response_started:
                await self.request.start_response(OK, EVENT_STREAM)
            await self.request.finish(self.answer)
        else:
            await self.request.respond(OK, self.answer)


def unmark(request: Request) -> None:
    """For an error: whoever may send nothing learns nothing about others' requests."""
    kept = [header for header in request.response_headers if header[0] != HEADER]
    request.response_headers = kept


def _replay(relay: Relay, answer: bytes) -> Replay:
    relay.request.response_headers.append((HEADER, b"hit"))
    return Replay(
        relay.request,
        replace(relay.route, limits=()),
        relay.stats,
        relay.engine_request.stream,
        answer,
    )


def _can_cache(relay: Relay) -> bool:
    """A model that is not running gives no answers, not even old ones."""
    return relay.route.is_serving and relay.engine_request.is_deterministic


def _key(path: str, route: Route, body: Body) -> bytes | None:
    """The model's name and aliases get the same answer. Within a field the order of
    keys counts: that of a tool's parameters reaches the prompt. None: a number of more
    than 64 bits or half of a surrogate pair, which the engine will refuse."""
    given = [(k, v) for k, v in body.items() if v is not None and k != "model"]
    wanted = [route.replicas[0].run_uid, path, sorted(given)]
    try:
        text = orjson.dumps(wanted)
    except orjson.JSONEncodeError:
        return None
    return blake2b(text, digest_size=DIGEST_BYTES).digest()
