from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from monitoring.history.aggregation.ranges import RangeError, parse, parse_step

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC).timestamp()
SHANGHAI = ZoneInfo("Asia/Shanghai")


def read(start="", end="", length="", zone=UTC):
    span = parse(start, end, length, now=NOW, zone=zone)
    return tuple(
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
        for at in (span.start, span.end)
    )


@pytest.mark.parametrize(
    ("params", "span"),
    [
        ((), ("2024-06-01 11:00", "2024-06-01 12:00")),
        (("", "", "24h"), ("2024-05-31 12:00", "2024-06-01 12:00")),
        (("", "", "7d"), ("2024-05-25 12:00", "2024-06-01 12:00")),
        (("", "", "30d"), ("2024-05-02 12:00", "2024-06-01 12:00")),
        (("2024-01-01", "2024-01-02"), ("2024-01-01 00:00", "2024-01-02 00:00")),
        (("2024-05-01",), ("2024-05-01 00:00", "2024-06-01 12:00")),
        (("2024-05-01", "", "7d"), ("2024-05-01 00:00", "2024-05-08 00:00")),
        (("", "2024-05-01", "24h"), ("2024-04-30 00:00", "2024-05-01 00:00")),
        (("", "2024-05-01"), ("2024-04-30 23:00", "2024-05-01 00:00")),
        (
            ("2024-01-01T08:00:00+08:00", "2024-01-01T00:30:00Z"),
            ("2024-01-01 00:00", "2024-01-01 00:30"),
        ),
        # a client that did not escape the plus sign
        (
            ("2024-01-01T08:00:00 08:00", "2024-01-01 01:00"),
            ("2024-01-01 00:00", "2024-01-01 01:00"),
        ),
    ],
)
def test_span(params, span):
    assert read(*params) == span


def test_times_without_a_zone_are_in_the_servers():
    assert read("2024-01-01", "2024-01-02T00:00Z", zone=SHANGHAI) == (
        "2023-12-31 16:00",
        "2024-01-02 00:00",
    )


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        (("yesterday",), "bad_time", "start_time"),
        (("", "2024-13-01"), "bad_time", "end_time"),
        (("0001-01-01T00:00:00+14:00",), "bad_time", "start_time"),
        (("9999-12-31",), "bad_time", "start_time"),
        (("２０２４-01-01",), "bad_time", "start_time"),
        (("2024-01-02", "2024-01-01"), "end_before_start", "end_time"),
        (("2024-01-01", "2024-01-01"), "end_before_start", "end_time"),
        (("2030-01-01",), "end_before_start", "end_time"),
        (("2020-01-01", "2024-01-01"), "range_too_long", "start_time"),
        (("", "", "5 years"), "unknown_range", "range"),
        (("2024-01-01", "2024-01-02", "24h"), "range_and_times", "range"),
    ],
)
def test_invalid_span_is_rejected(params, code, field):
    with pytest.raises(RangeError) as caught:
        read(*params)
    assert (caught.value.problem.code, caught.value.problem.field) == (code, field)


def test_range_is_limited_to_two_years():
    assert read("2022-01-01", "2024-01-01")
    with pytest.raises(RangeError) as caught:
        read("2022-01-01", "2024-01-03")
    assert caught.value.problem.params == {"value": 732, "max": 731}


@pytest.mark.parametrize(
    ("text", "step"), [("10s", 10), ("1m", 60), ("1h", 3600), ("300", 300)]
)
def test_step(text, step):
    assert parse_step(text) == step


@pytest.mark.parametrize(
    "text", ["", "0", "-60", "5", "15", "1.5", "1d", "９０", "9" * 99]
)
def test_invalid_step_is_rejected(text):
    with pytest.raises(RangeError) as caught:
        parse_step(text)
    assert caught.value.problem.code == "bad_step"
    assert len(caught.value.problem.params["value"]) <= 60
