"""The scheduler is killed once at every step it takes, and all comes right."""

import os
import re
import signal
from itertools import zip_longest

import pytest

from tests.faults.forkserver import ROOT
from tests.faults.test_deliveries import PLACES

pytestmark = pytest.mark.fault

SETTINGS = {"DRAIN_SECONDS": "1", "TERMINATE_SECONDS": "1"}
CORES = len(os.sched_getaffinity(0))
SMALL = ["one", "two"][:CORES]
MODELS = [*SMALL, "large"]
# Reached only if an engine does not heed SIGTERM.
STUBBORN = {"stop.killing", "stop.killed"}
STARTING = [
    "tick.started",
    "tick.planned",
    "place.fenced",
    "place.booked",
    "place.committed",
    "place.done",
    "explain.started",
    "explain.recorded",
    "launch.begun",
    "launch.accepted",
    "launch.spawned",
    "launch.stored",
    "run.getting_ready",
]
STOPPING = [
    "stop.requesting",
    "stop.requested",
    "stop.drained",
    "stop.terminating",
    "stop.terminated",
    *sorted(STUBBORN),
    "run.ending",
    "run.ended",
]
# Two in one story, to save time: the first is over before the second can be reached.
STORIES = [
    tuple(filter(None, pair)) for pair in zip_longest(STARTING, STOPPING, fillvalue="")
]


def until(site, names, status):
    def reached():
        assert not site.booked_twice()
        return {site.model(name)["status"] for name in names} == {status}

    site.until(reached)


def lives(site, names):
    """Each by one run of its own, with one engine under its shim, and nothing else."""
    live = site.rows("select * from models_app_run where state <> 'ended'")
    assert len(live) == len({run["model_id"] for run in live}) == len(names)
    assert len(site.engines()) == 2 * len(names)
    return live


def test_every_failpoint_is_tried():
    reached = {
        name
        for room in ("models_app", "runtimes", "monitoring", "scheduling")
        for file in (ROOT / room).rglob("*.py")
        for name in re.findall(r'\breach\b\W+"([\w.]+)"', file.read_text())
    }
    assert reached == {*STARTING, *STOPPING, *PLACES} - {""}


@pytest.mark.parametrize("points", STORIES, ids=" ".join)
def test_killed_once_nothing_is_lost_doubled_or_left(site, points):
    markers = {point: site.data_dir / point for point in points}
    site.settings["FAILPOINT"] = ",".join(f"{p}:{f}" for p, f in markers.items())
    for name in MODELS:
        site.add(name, n_threads=CORES if name == "large" else 1)
        site.request("start", name)
    site.start("worker", "monitor")
    until(site, SMALL, "running")
    live = lives(site, SMALL)
    until(site, ["large"], "waiting")
    assert markers[points[0]].exists()
    if STUBBORN & {*points}:
        for run in live:
            os.kill(site.claim(run["uid"])["engine_pid"], signal.SIGSTOP)
    for name in SMALL:
        site.request("stop", name)
    until(site, SMALL, "stopped")
    until(site, ["large"], "running")
    lives(site, ["large"])
    site.request("stop", "large")
    until(site, ["large"], "stopped")
    lives(site, [])
    assert [p for p, file in markers.items() if not file.exists()] == []
    runs = site.rows("select * from models_app_run")
    ends = [(run["state"], run["end_code"]) for run in runs]
    assert ends == [("ended", "stopped")] * len(MODELS)
