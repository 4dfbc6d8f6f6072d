"""Words of requests, made into stretches of time: seconds since the epoch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo

from common.problems import Problem

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


class Refused(ValueError):
    def __init__(self, code: str, field: str, **params: object) -> None:
        super().__init__(code)
        self.problem = Problem(code=code, field=field, params=params)


@dataclass(frozen=True, slots=True)
class Span:
    """Start inclusive, end exclusive."""

    start: int
    end: int


def parse(
    start_time: str, end_time: str, length: str, *, now: float, zone: tzinfo
) -> Span:
    """Empty words were not given. A date is its first moment; times without a zone are
    in `zone`. Without an end: until now; with nothing else: the last hour. Raises
    Refused."""
    if length and length not in RANGES:
        raise Refused(
            "unknown_range", "range", value=length[:SHOWN], allowed=list(RANGES)
        )
    if length and start_time and end_time:
        raise Refused("range_and_times", "range")
    seconds = RANGES.get(length, DEFAULT_S)
    start = _moment("start_time", start_time, zone)
    end = _moment("end_time", end_time, zone)
    if end is None:
        end = start + seconds if start is not None and length else int(now)
    span = Span(end - seconds if start is None else start, end)
    _check(span, start_time, end_time)
    return span


def _check(span: Span, start_time: str, end_time: str) -> None:
    if span.end <= span.start:
        shown = {"start": start_time[:SHOWN], "end": end_time[:SHOWN] or "now"}
        raise Refused("end_before_start", "end_time", **shown)
    days = (span.end - span.start) / DAY_S
    if days > MAX_DAYS:
        raise Refused("range_too_long", "start_time", value=int(days), max=MAX_DAYS)


def _moment(name: str, text: str, zone: tzinfo) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(UNESCAPED_ZONE.sub(r"\1+\2", text.strip()))
    except ValueError:
        raise Refused("bad_time", name, value=text[:SHOWN]) from None
    if moment.year not in YEARS:
        raise Refused("bad_time", name, value=text[:SHOWN])
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())


def parse_step(text: str) -> int:
    """Raises Refused."""
    if text in STEPS:
        return STEPS[text]
    step = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if step < LEAST_STEP_S or step % LEAST_STEP_S:
        raise Refused("bad_step", "step", value=text[:SHOWN], allowed=list(STEPS))
    return step
