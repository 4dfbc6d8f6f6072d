import time

import pytest

from common import clock
from monitoring.monitor import Monitor, Timer


def test_timer_is_due_once_per_period():
    timer, periods, count = Timer(0.05), set(), 0
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        periods.add(clock.uptime() // 0.05)
        count += timer.is_due()
        time.sleep(0.017)
    # A period may change between the two readings of the clock.
    assert abs(count - len(periods)) <= 1


def test_timer_skips_missed_periods():
    timer = Timer(0.05)
    assert timer.is_due()
    time.sleep(0.5)
    assert [timer.is_due() for _ in range(5)].count(True) == 1


class FailingSampler:
    def step(self, gpus, runs):
        raise ZeroDivisionError

    def close(self):
        """Nothing to close."""


@pytest.mark.django_db
def test_supervision_continues_when_sampling_fails(caplog):
    monitor = Monitor()
    monitor.sampler.close()
    monitor.sampler = FailingSampler()
    assert 0 <= monitor.step() <= 1
    monitor.close()
    assert monitor.runs == []
    assert "sampling failed" in caplog.text
