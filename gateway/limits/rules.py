"""Which counters a request passes, and which of them refuses it. Pure.

Windows are fixed: each begins with the minute, the day or the month of the clock. One
counter per window is exact, cheap, and everybody can tell when it resets; in exchange,
a caller may use two windows' worth around a boundary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

MINUTE_S = 60
TOKENS = ("tokens_per_minute", "tokens_per_day", "tokens_per_month")
# When somebody else's request may have ended
RETRY_AFTER_S = 1
HEADER = b"x-ratelimit-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """None: not limited. key: identifies it among all processes. subject: token, user,
    group or model."""

    key: str
    subject: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    max_in_flight: int | None = None
    queue_length: int | None = None
    queue_wait_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Counter:
    """One number of a limit in its current window. cost: what a request adds when it
    is admitted; tokens are added when they are known."""

    key: str
    subject: str
    name: str
    maximum: int
    cost: int
    resets_at: float

    def refuses(self, value: int) -> bool:
        return value + (self.cost or 1) > self.maximum


@dataclass(frozen=True, slots=True)
class Place:
    """Requests in flight of a limit."""

    key: str
    subject: str
    maximum: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request needs to be admitted. size: places it takes."""

    counters: Sequence[Counter]
    places: Sequence[Place]
    size: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """name: of the number that is exhausted."""

    subject: str
    name: str
    maximum: int
    retry_after_s: int


class Windows:
    """Begin and end of the current windows. Belongs to one thread."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._until = 0.0
        self._bounds: dict[str, tuple[str, float]] = {}

    def at(self, now: float) -> dict[str, tuple[str, float]]:
        """By name of the number: the window's suffix of a key, and when it ends."""
        if not self._until - MINUTE_S <= now < self._until:
            self._until = (now // MINUTE_S + 1) * MINUTE_S
            self._bounds = dict(self._all(now))
        return self._bounds

    def _all(self, now: float) -> Iterator[tuple[str, tuple[str, float]]]:
        minute = f"{int(now // MINUTE_S)}", self._until
        yield "requests_per_minute", ("r" + minute[0], minute[1])
        yield "tokens_per_minute", ("t" + minute[0], minute[1])
        day = _day_of(now, self._zone)
        month = day.replace(day=1)
        next_month = (month + timedelta(days=32)).replace(day=1)
        ends = _midnight(day + timedelta(days=1)), _midnight(next_month)
        yield "tokens_per_day", (f"d{day:%Y%m%d}", ends[0])
        yield "tokens_per_month", (f"m{day:%Y%m}", ends[1])


def begin_of_day(now: float, zone: tzinfo) -> float:
    return _midnight(_day_of(now, zone))


def begin_of_month(now: float, zone: tzinfo) -> float:
    return _midnight(_day_of(now, zone).replace(day=1))


def _day_of(now: float, zone: tzinfo) -> datetime:
    local = datetime.fromtimestamp(now, zone)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _midnight(day: datetime) -> float:
    """The offset of that day counts, which may differ from today's."""
    return day.replace(tzinfo=day.tzinfo).timestamp()


def claim(limits: Sequence[Limit], windows: Windows, now: float, size: int) -> Claim:
    bounds = windows.at(now)
    counters, places = [], []
    for limit in limits:
        for name, (suffix, end) in bounds.items():
            maximum = getattr(limit, name)
            if maximum is not None:
                cost = 1 if name == "requests_per_minute" else 0
                key = f"{limit.key}:{suffix}"
                counters.append(Counter(key, limit.subject, name, maximum, cost, end))
        if limit.max_in_flight is not None:
            places.append(Place(limit.key, limit.subject, limit.max_in_flight))
    return Claim(counters, places, size)


def refusal(needed: Claim, values: Sequence[int], now: float) -> Refusal | None:
    """values: of the counters and then of the places, without the request. The reason
    that lasts longest: an earlier retry would be refused again."""
    count = len(needed.counters)
    exhausted = [
        counter
        for counter, value in zip(needed.counters, values[:count], strict=True)
        if counter.refuses(value)
    ]
    if exhausted:
        worst = max(exhausted, key=lambda counter: counter.resets_at)
        wait = max(1, -int(-(worst.resets_at - now) // 1))
        return Refusal(worst.subject, worst.name, worst.maximum, wait)
    for place, held in zip(needed.places, values[count:], strict=True):
        if held + needed.size > place.maximum:
            name = "max_in_flight"
            return Refusal(place.subject, name, place.maximum, RETRY_AFTER_S)
    return None


def headers(
    needed: Claim, values: Sequence[int], now: float
) -> list[tuple[bytes, bytes]]:
    """As OpenAI's API has them: of requests and of tokens, those of the number that is
    closest to its limit. values: of the counters."""
    found: list[tuple[bytes, bytes]] = []
    pairs = list(zip(needed.counters, values[: len(needed.counters)], strict=True))
    for kind, is_tokens in ((b"requests", False), (b"tokens", True)):
        left = [
            (max(0, counter.maximum - value), counter)
            for counter, value in pairs
            if (counter.cost == 0) is is_tokens
        ]
        if left:
            remaining, counter = min(left, key=lambda each: each[0])
            reset = duration(counter.resets_at - now)
            found += [
                (HEADER + b"limit-" + kind, b"%d" % counter.maximum),
                (HEADER + b"remaining-" + kind, b"%d" % remaining),
                (HEADER + b"reset-" + kind, reset.encode()),
            ]
    return found


def duration(seconds: float) -> str:
    """As in OpenAI's headers: 59s, 6m0s, 23h10m5s."""
    whole = max(1, -int(-seconds // 1))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    return f"{text}{minutes}m{rest}s" if whole >= MINUTE_S else f"{rest}s"
