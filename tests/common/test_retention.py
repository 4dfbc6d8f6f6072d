import json
from datetime import UTC, datetime, timedelta

import pytest

from common import clock
from common.retention import retention_now

DAY = 86400


@pytest.fixture
def stored(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    path = tmp_path / "retention_clock.json"

    def store(days_ago: float, *, uptime: float, boot_id: str | None = None) -> None:
        seen = datetime.now(UTC) - timedelta(days=days_ago)
        known = boot_id or clock.boot_id()
        body = {"seen": seen.timestamp(), "boot_id": known, "uptime": uptime}
        path.write_text(json.dumps(body))

    return store


def days_behind() -> float:
    return (datetime.now(UTC) - retention_now()).total_seconds() / DAY


@pytest.mark.parametrize("days", [31, 400])
def test_clock_that_jumped_is_not_followed(stored, days):
    stored(days, uptime=clock.uptime())
    assert days_behind() == pytest.approx(days, abs=0.1)
    assert days_behind() == pytest.approx(days, abs=0.1)


def test_clock_that_goes_right_is_followed(stored):
    stored(0.01, uptime=clock.uptime() - 0.01 * DAY)
    assert days_behind() == pytest.approx(0, abs=0.001)


def test_clock_that_is_set_back_is_followed(stored):
    stored(-400, uptime=clock.uptime())
    assert days_behind() == pytest.approx(0, abs=0.001)


def test_after_a_restart_it_catches_up_by_the_time_since_boot(stored):
    stored(60, uptime=10**9, boot_id="earlier")
    passed = 2 * clock.uptime() / DAY
    assert days_behind() == pytest.approx(max(0, 60 - passed), abs=0.01)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"seen": "x"}'])
def test_without_a_readable_file_it_starts_at_the_clock(settings, tmp_path, content):
    settings.DATA_DIR = tmp_path
    (tmp_path / "retention_clock.json").write_text(content)
    assert days_behind() == pytest.approx(0, abs=0.001)
