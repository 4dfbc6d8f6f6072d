"""Kill each process of the task queue in turn."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.environment import SOCKET

pytestmark = pytest.mark.fault

ROOT = Path(__file__).parents[2]
PROCESSES = 6  # first one, sentinel, two workers, pusher, monitor


@pytest.fixture
def cluster():
    # A separate broker database, so that tasks of other tests do not reach it.
    env = {**os.environ, "REDIS_URL": f"unix://{SOCKET}?db=1"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "qcluster"], cwd=ROOT, env=env
    )
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


def family(cluster):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [cluster, *cluster.children(recursive=True)]
        if len(found) == PROCESSES:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not {PROCESSES} processes: {found}")


@pytest.mark.parametrize("victim", range(PROCESSES))
def test_kill_9_of_one_process_ends_them_all(cluster, victim):
    processes = family(cluster)
    processes[victim].kill()
    _gone, alive = psutil.wait_procs(processes, timeout=30)
    assert alive == []
