"""Admit requests within the limits of their token, user, groups and model.

Engines queue in order of arrival, so without a limit one client makes all others wait:
MAX_REQUESTS_PER_TOKEN applies to every token and model, in each process.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

from django.conf import settings
from django.utils.timezone import get_default_timezone

from common.problems import Problem
from gateway.auth import Caller
from gateway.errors import GatewayError, limit_exceeded, validation_error
from gateway.http import Request
from gateway.limits.queue import KEEP_ALIVE_S, ModelQueue, OnWait
from gateway.limits.rules import (
    HEADER,
    RETRY_AFTER_S,
    Claim,
    Limit,
    Refusal,
    Windows,
    claim,
    headers,
    refusal,
)
from gateway.limits.shared import SharedCounters
from gateway.routes.table import Route, RoutingTable

MAX_INPUTS = 2048  # of a request for embeddings, as in OpenAI's API
# Embeddings take a fraction of a completion, and clients send them in large batches.
INPUTS_PER_REQUEST = 128


class Limits:
    def __init__(self) -> None:
        self.in_flight: Counter[tuple[str, int]] = Counter()
        self.shared = SharedCounters(settings.REDIS_URL)
        self.keep_alive_s = KEEP_ALIVE_S
        self.queues: dict[int, ModelQueue] = {}
        self.windows = Windows(get_default_timezone())

    def admit(
        self,
        caller: Caller,
        route: Route,
        body: Mapping[str, object],
        on_wait: OnWait | None = None,
    ) -> Admission:
        """body: valid in its dialect. on_wait: called every few seconds while the
        request is in a queue. Entering the context raises GatewayError."""
        return Admission(self, caller, route, body, on_wait)

    def add_headers(self, request: Request, error: GatewayError) -> None:
        """Of a request that was refused before it was counted: what is left of its
        limits, as far as this process knows."""
        known = (*request.response_headers, *error.extra_headers)
        if not request.limits or any(name.startswith(HEADER) for name, _ in known):
            return
        now = time.time()
        needed = claim(request.limits, self.windows, now, 1)
        values = self.shared.local.read(needed)
        request.response_headers.extend(headers(needed, values, now))

    def count_used(self, table: RoutingTable) -> None:
        for used in table.used.values():
            self.shared.local.learn(used.key, used.tokens, used.ends)

    def queue_of(self, route: Route) -> ModelQueue | None:
        """None: its requests do not wait."""
        if not route.limits or not route.limits[0].queue_length:
            return None
        queue = self.queues.get(route.model_id)
        if queue is None:
            queue = self.queues[route.model_id] = ModelQueue(
                self.shared, self.keep_alive_s
            )
        return queue

    def on_release(self, route: Route) -> None:
        if queue := self.queues.get(route.model_id):
            queue.on_release()

    async def close(self) -> None:
        for queue in self.queues.values():
            await queue.close()
        await self.shared.close()


class Admission:
    """One request. headers: about the limits of its caller, for its response. queued_s:
    how long it waited in the queue of its model."""

    __slots__ = (
        "_body",
        "_caller",
        "_claim",
        "_key",
        "_limits",
        "_on_wait",
        "_route",
        "_size",
        "headers",
        "queued_s",
    )

    def __init__(
        self,
        limits: Limits,
        caller: Caller,
        route: Route,
        body: Mapping[str, object],
        on_wait: OnWait | None,
    ) -> None:
        self._on_wait = on_wait
        self._limits, self._route, self._body = limits, route, body
        self._key = caller.digest, route.model_id
        self._caller = caller
        self._claim: Claim | None = None
        self._size = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.queued_s = 0.0

    async def __aenter__(self) -> Admission:
        limits = (*self._caller.grant.limits, *self._route.limits)
        in_flight = self._limits.in_flight
        maximum = settings.MAX_REQUESTS_PER_TOKEN
        self._size = size = request_size(self._body, _smallest(limits, maximum))
        if maximum and in_flight[self._key] + size > maximum:
            params = {"model": self._route.name, "max": maximum}
            raise GatewayError(
                429, "too_many_requests", params, retry_after_s=RETRY_AFTER_S
            )
        in_flight[self._key] += size
        if limits:
            try:
                await self._claim_limits(limits)
            except BaseException:
                self._leave()
                raise
        return self

    async def _claim_limits(self, limits: tuple[Limit, ...]) -> None:
        now, shared = time.time(), self._limits.shared
        needed = claim(limits, self._limits.windows, now, self._size)
        queue = self._limits.queue_of(self._route)
        if queue is not None and len(queue):
            await self._queue(queue, needed, now)
            return
        admitted, values = await shared.take(needed)
        refused = None if admitted else refusal(needed, values, now)
        if refused and queue is not None and _is_saturated(refused):
            await self._queue(queue, needed, now)
        elif admitted:
            self._take(needed, values, now)
        else:
            found = headers(needed, values, now)
            raise limit_exceeded(self._route, refused, found)

    async def _queue(self, queue: ModelQueue, needed: Claim, now: float) -> None:
        """The request counts from now on, but for its place at the model."""
        *places, place = needed.places
        caller = Claim(needed.counters, places, needed.size)
        admitted, values = await self._limits.shared.take(caller)
        if not admitted:
            found = headers(caller, values, now)
            refused = refusal(caller, values, now)
            raise limit_exceeded(self._route, refused, found)
        self._take(caller, values, now)
        limit = self._route.limits[0]
        model, began = Claim((), (place,), needed.size), time.monotonic()
        try:
            await queue.wait(self._caller, self._route, limit, model, self._on_wait)
        except BaseException:
            self._limits.shared.release(caller)
            raise
        finally:
            self.queued_s = time.monotonic() - began
        self._claim = needed

    def _take(self, needed: Claim, values: list[int], now: float) -> None:
        costs = [counter.cost for counter in needed.counters]
        after = [value + cost for value, cost in zip(values, costs, strict=False)]
        self.headers.extend(headers(needed, after, now))
        self._claim = needed

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()
        if self._claim is not None:
            self._limits.shared.release(self._claim)
            self._limits.on_release(self._route)

    def settle(self, tokens: int) -> None:
        """tokens: what the request took, prompt and completion."""
        if self._claim is not None:
            self._limits.shared.settle(self._claim, tokens)

    def _leave(self) -> None:
        in_flight = self._limits.in_flight
        in_flight[self._key] -= self._size
        if not in_flight[self._key]:
            del in_flight[self._key]


def _is_saturated(refused: Refusal) -> bool:
    return (refused.subject, refused.name) == ("model", "max_in_flight")


def _smallest(limits: tuple[Limit, ...], maximum: int) -> int:
    """The fewest requests in flight of all limits; 0: none has any."""
    sizes = [limit.max_in_flight for limit in limits if limit.max_in_flight]
    return min([*sizes, maximum] if maximum else sizes, default=0)


def request_size(body: Mapping[str, object], limit: int) -> int:
    """How many completions the request takes. Raises GatewayError validation_error for
    more than limit, because to repeat it would not help."""
    inputs = _list_length(body.get("input"))
    if inputs > MAX_INPUTS:
        raise _too_many("input", inputs, MAX_INPUTS)
    completions = max(_integer(body.get("n")), _integer(body.get("best_of")))
    size = _list_length(body.get("prompt")) * completions
    if limit and size > limit:
        raise _too_many("prompt" if completions == 1 else "n", size, limit)
    return min(max(size, -(-inputs // INPUTS_PER_REQUEST)), limit or size)


def _list_length(value: object) -> int:
    """A list of numbers is a single prompt, as tokens."""
    if isinstance(value, list) and not all(isinstance(item, int) for item in value):
        return len(value)
    return 1


def _integer(value: object) -> int:
    return max(1, value) if isinstance(value, int) else 1


def _too_many(field: str, value: int, most: int) -> GatewayError:
    params = {"key": field, "value": value, "max": most}
    return validation_error(
        Problem(code="too_many_prompts", field=field, params=params)
    )
