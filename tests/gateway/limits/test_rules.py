from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.limits.rules import (
    Claim,
    Limit,
    Windows,
    claim,
    duration,
    headers,
    refusal,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def at(text, zone):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("zone", "now", "name", "end"),
    [
        (SHANGHAI, "2026-11-28 10:20:30", "requests_per_minute", "2026-11-28 10:21"),
        (SHANGHAI, "2026-11-28 10:20:30", "tokens_per_day", "2026-11-29"),
        (SHANGHAI, "2026-11-30 23:59:59", "tokens_per_month", "2026-12-01"),
        (SHANGHAI, "2026-12-31 23:59:59", "tokens_per_month", "2027-01-01"),
        (SHANGHAI, "2026-01-31 12:00", "tokens_per_month", "2026-02-01"),
        (BERLIN, "2026-03-29 01:00", "tokens_per_day", "2026-03-30"),
        (BERLIN, "2026-10-25 01:00", "tokens_per_day", "2026-10-26"),
        (BERLIN, "2026-10-01 00:00", "tokens_per_month", "2026-11-01"),
    ],
)
def test_windows_end_with_the_clock(zone, now, name, end):
    found = Windows(zone).at(at(now, zone))[name]
    assert found[1] == at(end, zone)


def test_window_changes_with_its_minute_and_stays_within_it():
    windows = Windows(SHANGHAI)
    keys = [windows.at(now)["requests_per_minute"][0] for now in (0, 59.9, 60, 59)]
    assert keys[0] == keys[1] == keys[3] != keys[2]


def a_claim(*, size=1, now=30.0, **figures) -> Claim:
    limit = Limit(key="1", subject="token", **figures)
    return claim([limit], Windows(SHANGHAI), now, size)


@pytest.mark.parametrize(
    ("figures", "values", "name"),
    [
        ({"requests_per_minute": 2}, [1], None),
        ({"requests_per_minute": 2}, [2], "requests_per_minute"),
        ({"tokens_per_minute": 10}, [9], None),
        ({"tokens_per_minute": 10}, [10], "tokens_per_minute"),
        ({"tokens_per_minute": 10}, [99], "tokens_per_minute"),
        ({"requests_per_minute": 1, "tokens_per_day": 5}, [1, 5], "tokens_per_day"),
        ({"max_in_flight": 2}, [1], None),
        ({"max_in_flight": 2}, [2], "max_in_flight"),
        ({"max_in_flight": 2, "requests_per_minute": 5}, [4, 2], "max_in_flight"),
    ],
)
def test_claim_is_refused_by_what_is_exhausted(figures, values, name):
    found = refusal(a_claim(**figures), values, 30.0)
    assert (found.name if found else None) == name


def test_refusal_lasts_until_the_window_ends():
    found = refusal(a_claim(requests_per_minute=1), [1], 30.2)
    assert (found.retry_after_s, found.maximum, found.subject) == (30, 1, "token")


def test_headers_show_what_is_closest_to_its_limit():
    needed = a_claim(requests_per_minute=9, tokens_per_minute=50, tokens_per_day=60)
    found = dict(headers(needed, [4, 45, 58], 30.0))
    assert found == {
        b"x-ratelimit-limit-requests": b"9",
        b"x-ratelimit-remaining-requests": b"5",
        b"x-ratelimit-reset-requests": b"30s",
        b"x-ratelimit-limit-tokens": b"60",
        b"x-ratelimit-remaining-tokens": b"2",
        b"x-ratelimit-reset-tokens": b"15h59m30s",
    }
    assert headers(a_claim(max_in_flight=3), [1], 30.0) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1s"), (59, "59s"), (60, "1m0s"), (3600, "1h0m0s"), (90061, "25h1m1s")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
