"""Live traffic counts that gateways report to the monitor through the broker.

A hash has one field per gateway process, rewritten every second. History is written
separately, to the database; a report lost here only affects the live view.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

from monitoring.history.aggregation.bucket_values import Distribution

KEY = "llmplatform:traffic"
# An older report means that the gateway has stopped or cannot reach the broker.
FRESH_S = 3
EXPIRED_S = 60


class ModelTraffic(TypedDict):
    """Increments of one interval; in_flight is a current value."""

    requests: int
    errors: int
    in_flight: int
    prompt_tokens: int
    completion_tokens: int
    response_time: NotRequired[Distribution]


class TrafficReport(NamedTuple):
    """seconds: length of the interval. models: by str(id), only those with traffic."""

    at: float
    seconds: float
    models: dict[str, ModelTraffic]

    def encode(self) -> str:
        return json.dumps(self._asdict(), separators=(",", ":"))


def fresh_reports(
    fields: Mapping[bytes, bytes], now: float
) -> dict[bytes, TrafficReport]:
    """By writer. Clocks of other machines may be ahead."""
    reports = {writer: _decode(text) for writer, text in fields.items()}
    return {
        writer: report
        for writer, report in reports.items()
        if report is not None and abs(now - report.at) < FRESH_S
    }


def expired_writers(fields: Mapping[bytes, bytes], now: float) -> list[bytes]:
    reports = {writer: _decode(text) for writer, text in fields.items()}
    return [
        writer
        for writer, report in reports.items()
        if report is None or abs(now - report.at) > EXPIRED_S
    ]


def _decode(text: bytes) -> TrafficReport | None:
    """None for a report of another version."""
    try:
        data = json.loads(text)
        at, seconds = float(data["at"]), float(data["seconds"])
        return TrafficReport(at, seconds, dict(data["models"]))
    except (ValueError, TypeError, KeyError):
        return None


def rates(reports: Iterable[TrafficReport]) -> dict[str, dict[str, float]]:
    """By model: sums over gateways, per second except in_flight."""
    sums: dict[str, dict[str, float]] = {}
    for report in reports:
        for model, traffic in report.models.items():
            totals = sums.setdefault(model, {})
            for name, value in cast("dict[str, Any]", traffic).items():
                if isinstance(value, int | float):
                    span = 1 if name == "in_flight" else max(report.seconds, 0.1)
                    totals[name] = totals.get(name, 0) + value / span
    return sums
