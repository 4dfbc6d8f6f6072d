"""Words of requests, made into stretches of time: seconds since the epoch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

HOUR_S = 3600
DAY_S = 24 * HOUR_S
RANGES = {"1h": HOUR_S, "24h": DAY_S, "7d": 7 * DAY_S, "30d": 30 * DAY_S}
DEFAULT_S = HOUR_S
MAX_DAYS = 731
YEARS = range(1970, 2200)
STEPS = {"10s": 10, "1m": 60, "1h": HOUR_S}
LEAST_STEP_S = 10
SHOWN = 60  # characters of a value in a message

# "+08:00" arrives as " 08:00" where a client did not escape it.
UNESCAPED_ZONE = re.compile(r"(T\S+) (\d\d:?\d\d)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Has the shape of models_app.problems.Problem, which a pure file cannot import."""

    code: str
    field: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """Start inclusive, end exclusive."""

    start: int
    end: int


def parse(
    start_time: str, end_time: str, length: str, *, now: float, zone: tzinfo
) -> Span | Problem:
    """Empty words were not given. A date is its first moment; times without a zone are
    in `zone`. Without an end: until now; with nothing else: the last hour."""
    if length and length not in RANGES:
        params = {"value": length[:SHOWN], "allowed": list(RANGES)}
        return Problem(code="unknown_range", field="range", params=params)
    if length and start_time and end_time:
        return Problem(code="range_and_times", field="range")
    seconds = RANGES.get(length, DEFAULT_S)
    start = _moment("start_time", start_time, zone) if start_time else None
    end = _moment("end_time", end_time, zone) if end_time else None
    for moment in (start, end):
        if isinstance(moment, Problem):
            return moment
    if end is None:
        end = start + seconds if start is not None and length else int(now)
    if start is None:
        start = end - seconds
    return _checked(Span(start, end), start_time, end_time)


def _checked(span: Span, start_time: str, end_time: str) -> Span | Problem:
    if span.end <= span.start:
        params = {"start": start_time[:SHOWN], "end": end_time[:SHOWN] or "now"}
        return Problem(code="end_before_start", field="end_time", params=params)
    if span.end - span.start > MAX_DAYS * DAY_S:
        days = (span.end - span.start) // DAY_S
        params = {"value": days, "max": MAX_DAYS}
        return Problem(code="range_too_long", field="start_time", params=params)
    return span


def _moment(name: str, text: str, zone: tzinfo) -> int | Problem:
    try:
        moment = datetime.fromisoformat(UNESCAPED_ZONE.sub(r"\1+\2", text.strip()))
    except ValueError:
        moment = None
    if moment is None or moment.year not in YEARS:
        return Problem(code="bad_time", field=name, params={"value": text[:SHOWN]})
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())


def parse_step(text: str) -> int | Problem:
    if text in STEPS:
        return STEPS[text]
    digits = text if text.isascii() and text.isdigit() and len(text) < 10 else "0"
    step = int(digits)
    if step < LEAST_STEP_S or step % LEAST_STEP_S:
        params = {"value": text[:SHOWN], "allowed": list(STEPS)}
        return Problem(code="bad_step", field="step", params=params)
    return step
