"""The machine loses its power and starts again."""

import os

import pytest

pytestmark = pytest.mark.fault

# In the order in which they were started; as many as this machine has room for.
PRIORITIES = {"low": 2, "high": 9}
NAMES = list(PRIORITIES)[-len(os.sched_getaffinity(0)) :]


def test_after_a_power_cut_all_return_and_the_highest_first(site):
    for name in NAMES:
        site.add(name, n_threads=1)
        site.update_model(name, priority=PRIORITIES[name])
    site.start("worker", "monitor")
    for name in NAMES:
        site.request("start", name)
        site.until_status(name, "running")
    site.lose_power()
    site.start_broker()
    site.start("worker", "monitor")
    again = []
    for name in NAMES:
        site.until(lambda n=name: len(site.runs(n)) == 2)
        before, after = site.until_status(name, "running")
        assert (before["state"], before["end_code"]) == ("ended", "node_rebooted")
        again.append((after["id"], name))
    assert [name for _, name in sorted(again)] == NAMES[::-1]
    assert len(site.engines()) == 2 * len(NAMES)
