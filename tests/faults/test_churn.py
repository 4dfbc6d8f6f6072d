"""Workers and monitor are killed again and again while models come and go."""

import os
import random
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from tests.faults import postgresql
from tests.faults.installation import ROOT, Installation

pytestmark = pytest.mark.fault

KILLS = 100
WISHES = ["start", "stop", "restart"]
MODELS = ["one", "two", "three", "four"]
SERVERS = {"sqlite": lambda: nullcontext("")}
if postgresql.binaries():
    SERVERS["postgresql"] = postgresql.server

# Wishes, one a line; what is not allowed just now is not asked for.
CONSOLE = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "llmplatform.settings"
django.setup()
from models_app import lifecycle
from models_app.exceptions import Conflict
from models_app.models import ServedModel
for line in sys.stdin:
    verb, name = line.split()
    try:
        getattr(lifecycle, "request_" + verb)(ServedModel.objects.get(name=name))
    except Conflict:
        pass
    print("done", flush=True)
"""


class Console:
    def __init__(self, site):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CONSOLE],
            **{"cwd": ROOT, "env": site.env, "text": True, "bufsize": 1},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, verb, name):
        self.process.stdin.write(f"{verb} {name}\n")
        assert self.process.stdout.readline() == "done\n"

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


def booked_twice(site):
    [cores] = site.rows("select cpu_cores, name from runtimes_node")
    [held] = site.rows(
        "select coalesce(sum(cpu_cores), 0) as cores from models_app_run"
        " where state <> 'ended'"
    )
    return held["cores"] > cores["cpu_cores"]


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
        console = Console(site)
        for _ in range(KILLS):
            console.ask(
                chance.choice(["start", "stop", "restart"]), chance.choice(names)
            )
            time.sleep(chance.uniform(0, 0.6))
            kill_one(site, chance)
            assert not booked_twice(site)
        for name in names:
            site.until(lambda n=name: site.model(n)["status"] != "stopping", 60)
            console.ask("start", name)
        console.close()
        site.until(lambda: settled(site), 90)
        for name in names:
            assert site.model(name)["desired_state"] == "running"
            for run in site.runs(name)[:-1]:
                assert (run["state"], bool(run["end_code"])) == ("ended", True)
