import time

import pytest

from common import clock
from monitoring.monitor import Every, Monitor


def test_every_is_due_once_in_each_period():
    every, periods, count = Every(0.05), set(), 0
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        periods.add(clock.uptime() // 0.05)
        count += every.due()
        time.sleep(0.017)
    # A period may change between the two readings of the clock.
    assert abs(count - len(periods)) <= 1


def test_every_makes_up_for_nothing():
    every = Every(0.05)
    assert every.due()
    time.sleep(0.5)
    assert [every.due() for _ in range(5)].count(True) == 1


class Poisoned:
    def step(self, gpus, runs):
        raise ZeroDivisionError

    def close(self):
        """Nothing to close."""


@pytest.mark.django_db
def test_models_are_looked_after_when_sampling_fails(caplog):
    monitor = Monitor()
    monitor.sampler.close()
    monitor.sampler = Poisoned()
    assert 0 <= monitor.step() <= 1
    monitor.close()
    assert monitor.runs == []
    assert "sampling failed" in caplog.text
