"""Parse time ranges and steps. Times are seconds since the epoch."""

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
MIN_STEP_S = 10
SHOWN = 60  # characters of a value in a message

# "+08:00" arrives as " 08:00" where a client did not escape it.
UNESCAPED_ZONE = re.compile(r"(T\S+) (\d\d:?\d\d)$")


class RangeError(ValueError):
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
    """Empty texts mean absent. A date means its first moment; times without a time zone
    are in `zone`. The default end is now, the default range the last hour. Raises
    RangeError."""
    if length and length not in RANGES:
        raise RangeError(
            "unknown_range", "range", value=length[:SHOWN], allowed=list(RANGES)
        )
    if length and start_time and end_time:
        raise RangeError("range_and_times", "range")
    seconds = RANGES.get(length, DEFAULT_S)
    start = _parse_time("start_time", start_time, zone)
    end = _parse_time("end_time", end_time, zone)
    if end is None:
        end = start + seconds if start is not None and length else int(now)
    span = Span(end - seconds if start is None else start, end)
    _validate(span, start_time, end_time)
    return span


def _validate(span: Span, start_time: str, end_time: str) -> None:
    if span.end <= span.start:
        shown = {"start": start_time[:SHOWN], "end": end_time[:SHOWN] or "now"}
        raise RangeError("end_before_start", "end_time", **shown)
    days = (span.end - span.start) / DAY_S
    if days > MAX_DAYS:
        raise RangeError("range_too_long", "start_time", value=int(days), max=MAX_DAYS)


def _parse_time(name: str, text: str, zone: tzinfo) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(UNESCAPED_ZONE.sub(r"\1+\2", text.strip()))
    except ValueError:
        raise RangeError("bad_time", name, value=text[:SHOWN]) from None
    if moment.year not in YEARS:
        raise RangeError("bad_time", name, value=text[:SHOWN])
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())


def parse_step(text: str) -> int:
    """Raises RangeError."""
    if text in STEPS:
        return STEPS[text]
    step = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if step < MIN_STEP_S or step % MIN_STEP_S:
        raise RangeError("bad_step", "step", value=text[:SHOWN], allowed=list(STEPS))
    return step
