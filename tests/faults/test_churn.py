"""Workers and monitor are killed again and again while models come and go."""

import os
import random
import time
from contextlib import nullcontext

import pytest

from tests.faults import postgresql
from tests.faults.installation import Installation

pytestmark = pytest.mark.fault

KILLS = 200
# Fewer mean that the roles never got to work between two kills.
RUNS_AT_LEAST = 3
VERBS = ["start", "stop", "restart"]
MODELS = ["one", "two", "three", "four"]
SERVERS = {"sqlite": lambda: nullcontext("")}
if postgresql.binaries():
    SERVERS["postgresql"] = postgresql.server


def kill_one(site, chance):
    role = chance.choice(["worker", "second worker", "monitor"])
    site.kill(role)
    site.start(role)


def settled(site):
    """Every model as it is wanted, and an engine for each that runs, no other."""
    live = site.rows("select uid, state from models_app_run where state <> 'ended'")
    wrong = site.rows(
        "select name from models_app_servedmodel where status not in"
        " ('running', 'stopped') or (status = 'running') <> (desired_state = 'running')"
    )
    shim_and_engine = 2 * len(live)
    return not wrong and len(site.engines()) == shim_and_engine


@pytest.mark.timeout(400)
@pytest.mark.parametrize("database", SERVERS)
def test_churn_under_kills_loses_and_doubles_nothing(database):
    chance = random.Random(7)
    with SERVERS[database]() as url, Installation(DATABASE_URL=url) as site:
        names = MODELS[: len(os.sched_getaffinity(0))]
        for name in names:
            site.add(name, n_threads=1)
        site.start("worker", "second worker", "monitor")
        site.until(lambda: site.rows("select * from runtimes_node"))
        for _ in range(KILLS):
            if chance.random() < 0.5:
                verb, name = chance.choice(VERBS), chance.choice(names)
                site.request(verb, name, allow_conflict=True)
            time.sleep(chance.uniform(0, 0.5))
            kill_one(site, chance)
            assert not site.booked_twice()
        assert len(site.rows("select id from models_app_run")) >= RUNS_AT_LEAST
        for name in names:
            site.until(lambda n=name: site.model(n)["status"] != "stopping")
            site.request("start", name, allow_conflict=True)
        site.until(lambda: settled(site), 90)
        for name in names:
            assert site.model(name)["desired_state"] == "running"
            for run in site.runs(name)[:-1]:
                assert (run["state"], bool(run["end_code"])) == ("ended", True)
