"""Count requests, tokens and durations per model, and usage per token, in this process.

A request by a user who may use models counts once, when it ends: as successful, as an
error (5xx), as refused (4xx, and 503 because the model is not serving) or as cancelled
(the client disconnected). Only successful requests contribute durations.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from types import TracebackType

from gateway.errors import GatewayError
from gateway.http import ClientDisconnectedError
from gateway.protocol.validation import InvalidJsonError
from gateway.routes.table import Grant, Route
from gateway.usage.ledger import UsageByToken
from monitoring.history.aggregation.bucket_values import Values, add_duration

SERVICE_UNAVAILABLE = 503
# Codes of requests that a limit or a queue refused
LIMITS = frozenset({"limit_exceeded", "too_many_requests"})
# Of a stream without usage: the finish reason and [DONE], which are no tokens
EVENTS_AT_END = 2
QUEUE = frozenset({"queue_full", "queue_timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """cached_tokens: part of prompt_tokens. reasoning_tokens: part of
    completion_tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @classmethod
    def parse(cls, value: object) -> Usage | None:
        """None unless value is an engine's usage object."""
        if not isinstance(value, dict):
            return None
        return cls(
            prompt_tokens=_count(value, "prompt_tokens"),
            completion_tokens=_count(value, "completion_tokens"),
            cached_tokens=_count(value.get("prompt_tokens_details"), "cached_tokens"),
            reasoning_tokens=_count(
                value.get("completion_tokens_details"), "reasoning_tokens"
            ),
        )

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


def _count(value: object, name: str) -> int:
    count = value.get(name) if isinstance(value, dict) else None
    return max(0, count) if isinstance(count, int) else 0


@dataclass(slots=True)
class Counts:
    """Fields are named after monitoring.metrics. durations: its histograms."""

    in_flight: int = 0
    requests: int = 0
    errors: int = 0
    refused: int = 0
    rate_limited: int = 0
    queue_rejected: int = 0
    cache_hits: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    request_seconds_in_flight: float = 0.0
    request_seconds_queued: float = 0.0
    durations: Values = field(default_factory=dict)
    updated_at: float = field(default_factory=time.monotonic)

    def update(self, in_flight_change: int = 0) -> None:
        now = time.monotonic()
        self.request_seconds_in_flight += self.in_flight * (now - self.updated_at)
        self.updated_at = now
        self.in_flight += in_flight_change


@dataclass(slots=True)
class RequestStats:
    """One request, filled in while it is served. Tokens are timed as they arrive from
    the engine, however slowly the client reads."""

    started_at: float = field(default_factory=time.monotonic)
    status: int = 200
    usage: Usage = field(default_factory=Usage)
    cancelled: bool = False
    first_token_at: float | None = None
    last_token_at: float = 0.0
    tokens_seen: int = 0
    refused_by: str = ""  # code of a limit
    queued_s: float = 0.0
    cache_hit: bool = False

    def record_failure(self, error: BaseException) -> None:
        match error:
            case GatewayError():
                self.status, self.refused_by = error.status, error.code
            case InvalidJsonError():
                self.status = 400
            case ClientDisconnectedError() | asyncio.CancelledError():
                self.cancelled = True
            case Exception():
                self.status = 500

    @property
    def elapsed_ms(self) -> float:
        return round((time.monotonic() - self.started_at) * 1000, 1)

    @property
    def failure(self) -> str | None:
        """As what the request counts; None: as successful."""
        if self.cancelled:
            return "cancelled"
        if self.status >= 500 and self.status != SERVICE_UNAVAILABLE:
            return "errors"
        return "refused" if self.status >= 400 else None

    @property
    def counted_usage(self) -> Usage:
        """The engine's. If it reports none, or the client disconnected before it did:
        the tokens seen."""
        if self.usage.total_tokens or not self.tokens_seen or self.status >= 400:
            return self.usage
        ends = 0 if self.cancelled else EVENTS_AT_END
        return Usage(completion_tokens=max(0, self.tokens_seen - ends))

    def record_tokens(self, count: int = 1) -> None:
        """count: events with content, which engines send for each token."""
        self.tokens_seen += count
        self.last_token_at = time.monotonic()
        if self.first_token_at is None:
            self.first_token_at = self.last_token_at


class Tracking:
    """A context, of one request. A generator would take three times as long."""

    __slots__ = ("_grant", "_route", "_stats", "_tracker")

    def __init__(self, tracker: UsageTracker, route: Route, grant: Grant) -> None:
        self._tracker, self._route, self._grant = tracker, route, grant
        self._stats = RequestStats()

    def __enter__(self) -> RequestStats:
        self._tracker.update(self._route.model_id, +1)
        return self._stats

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stats.record_failure(error)
        self._tracker.record(self._route, self._grant, self._stats)


class UsageTracker:
    """digests: of tokens used since the last report."""

    def __init__(self) -> None:
        self.counts: dict[int, Counts] = {}
        self.by_token = UsageByToken()
        self.digests: set[str] = set()

    def drain(self) -> dict[int, Counts]:
        """Counts by model id since the last call, without models that had no
        traffic."""
        for counts in self.counts.values():
            counts.update()
        drained, self.counts = self.counts, {}
        for model_id, counts in drained.items():
            if counts.in_flight:
                self.counts[model_id] = Counts(
                    counts.in_flight, updated_at=counts.updated_at
                )
        return drained

    def track(self, route: Route, grant: Grant) -> Tracking:
        return Tracking(self, route, grant)

    def record(self, route: Route, grant: Grant, stats: RequestStats) -> None:
        _add(self.update(route.model_id, -1), stats)
        self.by_token.add(route, grant, stats)

    def update(self, model_id: int, in_flight_change: int) -> Counts:
        counts = self.counts.get(model_id)
        if counts is None:
            counts = self.counts[model_id] = Counts()
        counts.update(in_flight_change)
        return counts


def _add(counts: Counts, stats: RequestStats) -> None:
    counts.requests += 1
    usage = stats.counted_usage
    counts.prompt_tokens += usage.prompt_tokens
    counts.completion_tokens += usage.completion_tokens
    counts.cached_tokens += usage.cached_tokens
    counts.reasoning_tokens += usage.reasoning_tokens
    counts.cache_hits += stats.cache_hit
    counts.request_seconds_queued += stats.queued_s
    if stats.queued_s:
        add_duration(counts.durations, "queue_time", stats.queued_s)
    if stats.refused_by in LIMITS:
        counts.rate_limited += 1
    elif stats.refused_by in QUEUE:
        counts.queue_rejected += 1
    if failure := stats.failure:
        setattr(counts, failure, getattr(counts, failure) + 1)
    else:
        _add_durations(counts, stats, usage.completion_tokens)


def _add_durations(counts: Counts, stats: RequestStats, tokens: int) -> None:
    ended_at = counts.updated_at
    add_duration(counts.durations, "response_time", ended_at - stats.started_at)
    first = stats.first_token_at
    if first is None:
        return
    add_duration(counts.durations, "time_to_first_token", first - stats.started_at)
    if tokens > 1:
        per_token = (stats.last_token_at - first) / (tokens - 1)
        add_duration(counts.durations, "time_per_token", per_token)
