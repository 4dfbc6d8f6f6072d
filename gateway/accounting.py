"""Requests and tokens, counted per model in this process.

Every request of somebody who may use models counts once, when it ends, as answered,
refused (4xx, and 503: a model that does not serve now), failed (any other 5xx) or
cancelled (the client left).
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

NOT_NOW = 503
# Upper bounds of the buckets of seconds; one more holds all that took longer.
BOUNDS_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


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
    in_flight: int = 0
    answered: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))


@dataclass(slots=True)
class Measured:
    """One request, filled in by whoever serves it."""

    began: float = field(default_factory=time.monotonic)
    status: int = 200
    usage: Usage = field(default_factory=Usage)
    cancelled: bool = False

    @property
    def milliseconds(self) -> float:
        return round((time.monotonic() - self.began) * 1000, 1)


class Accounting:
    def __init__(self) -> None:
        self._counts: dict[int, Counts] = {}

    def snapshot(self) -> dict[int, dict[str, Any]]:
        """By id of the model, since this process began."""
        return {model_id: asdict(counts) for model_id, counts in self._counts.items()}

    @contextmanager
    def request(self, model_id: int) -> Iterator[Measured]:
        counts = self._counts.setdefault(model_id, Counts())
        measured = Measured()
        counts.in_flight += 1
        try:
            yield measured
        finally:
            counts.in_flight -= 1
            _add(counts, measured)


def _add(counts: Counts, measured: Measured) -> None:
    counts.prompt_tokens += measured.usage.prompt_tokens
    counts.completion_tokens += measured.usage.completion_tokens
    if measured.cancelled:
        counts.cancelled += 1
    elif measured.status >= 500 and measured.status != NOT_NOW:
        counts.failed += 1
    elif measured.status >= 400:
        counts.refused += 1
    else:
        _add_answered(counts, time.monotonic() - measured.began)


def _add_answered(counts: Counts, seconds: float) -> None:
    counts.answered += 1
    counts.seconds += seconds
    counts.buckets[bisect_left(BOUNDS_S, seconds)] += 1
