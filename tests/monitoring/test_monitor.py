import time

import pytest

from monitoring.monitor import Every, Monitor


def beats(every, seconds, pause):
    deadline = time.monotonic() + seconds
    count = 0
    while time.monotonic() < deadline:
        count += every.due()
        time.sleep(pause)
    return count


def test_every_keeps_its_beat_however_it_is_asked():
    assert 9 <= beats(Every(0.05), 0.5, pause=0.017) <= 11


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
