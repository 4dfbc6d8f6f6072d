"""Requests, tokens and times of each model in this process, since they were last taken.

Every request of somebody who may use models counts once, when it ends: answered, or as
an error (5xx), refused (4xx, and 503: a model that does not serve now) or cancelled
(the client left). Only answered ones have times.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from monitoring.history.aggregation.bucket_values import Values, add_duration

NOT_NOW = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @classmethod
    def of(cls, told: object) -> Usage | None:
        """None unless it is an engine's usage object."""
        if not isinstance(told, dict):
            return None
        known = ("prompt_tokens", "completion_tokens")
        counts = {k: told[k] for k in known if isinstance(told.get(k), int)}
        return cls(**counts)

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(slots=True)
class Counts:
    """Named as in monitoring.metrics. durations: its histograms."""

    in_flight: int = 0
    requests: int = 0
    errors: int = 0
    refused: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    request_seconds_in_flight: float = 0.0
    durations: Values = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)

    def settle(self, entering: int = 0) -> None:
        now = time.monotonic()
        self.request_seconds_in_flight += self.in_flight * (now - self.since)
        self.since = now
        self.in_flight += entering


@dataclass(slots=True)
class Measured:
    """One request, filled in by whoever serves it. Tokens are seen as they come from
    the engine, whatever the client does with them."""

    began: float = field(default_factory=time.monotonic)
    status: int = 200
    usage: Usage = field(default_factory=Usage)
    cancelled: bool = False
    first_token_at: float | None = None
    last_token_at: float = 0.0

    @property
    def milliseconds(self) -> float:
        return round((time.monotonic() - self.began) * 1000, 1)

    def see_tokens(self) -> None:
        self.last_token_at = time.monotonic()
        if self.first_token_at is None:
            self.first_token_at = self.last_token_at


class Accounting:
    def __init__(self) -> None:
        self.counts: dict[int, Counts] = {}

    def take(self) -> dict[int, Counts]:
        """By id of the model, since this was last called. Models without traffic are
        left out."""
        for counts in self.counts.values():
            counts.settle()
        taken, self.counts = self.counts, {}
        for model_id, counts in taken.items():
            if counts.in_flight:
                self.counts[model_id] = Counts(counts.in_flight, since=counts.since)
        return taken

    @contextmanager
    def request(self, model_id: int) -> Iterator[Measured]:
        self._settled(model_id, +1)
        measured = Measured()
        try:
            yield measured
        finally:
            _add(self._settled(model_id, -1), measured)

    def _settled(self, model_id: int, entering: int) -> Counts:
        counts = self.counts.get(model_id)
        if counts is None:
            counts = self.counts[model_id] = Counts()
        counts.settle(entering)
        return counts


def _add(counts: Counts, measured: Measured) -> None:
    counts.requests += 1
    counts.prompt_tokens += measured.usage.prompt_tokens
    counts.completion_tokens += measured.usage.completion_tokens
    if measured.cancelled:
        counts.cancelled += 1
    elif measured.status >= 500 and measured.status != NOT_NOW:
        counts.errors += 1
    elif measured.status >= 400:
        counts.refused += 1
    else:
        _add_times(counts, measured)


def _add_times(counts: Counts, measured: Measured) -> None:
    add_duration(counts.durations, "response_time", counts.since - measured.began)
    first = measured.first_token_at
    if first is None:
        return
    add_duration(counts.durations, "time_to_first_token", first - measured.began)
    gaps = measured.usage.completion_tokens - 1
    if gaps > 0:
        per_token = (measured.last_token_at - first) / gaps
        add_duration(counts.durations, "time_per_token", per_token)
