"""Whoever is killed while a model is downloaded: it arrives, once and whole."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.forkserver import ROOT
from tests.faults.installation import Installation
from tests.runtimes.downloads.fake_hubs import Hub

pytestmark = pytest.mark.fault
WEIGHTS = random.Random(5).randbytes(6 * 2**20)
FILE = "model.gguf"


@pytest.fixture(scope="module")
def one_hub():
    with Hub({"own/tiny": {FILE: WEIGHTS}}) as hub:
        yield hub


@pytest.fixture
def hub(one_hub):
    one_hub.requests.clear()
    one_hub.pause_s = 0.0
    return one_hub


@pytest.fixture(scope="module")
def installation(one_hub):
    with Installation(HF_ENDPOINT=one_hub.url) as installation:
        yield installation


def ask(site):
    site.python(
        "from runtimes.downloads.request import DownloadRequest\n"
        "from runtimes.downloads.submit import submit\n"
        "submit(DownloadRequest(hub='huggingface', repo='own/tiny'))"
    )


def row(site):
    [found] = site.rows("select * from runtimes_download")
    return found


def begun(site):
    """Some of it is here, and not all."""
    found = row(site)
    return found["state"] == "running" and found["done"] >= 2**20


def pids(site, command) -> list[int]:
    """Of this installation's processes."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if command in words and str(site.data_dir).encode() in environment:
            found.append(int(process.name))
    return found


def downloading(site):
    return pids(site, b"runtimes.downloads.hubs.fetcher")


def fall_silent(site):
    """As if the time had passed in which nobody takes it."""
    site.rows("update runtimes_download set heartbeat = 0")


def until_whole(site, hub):
    site.until(lambda: row(site)["state"] == "done", 90)
    assert (site.data_dir / "models/tiny" / FILE).read_bytes() == WEIGHTS
    first, *others = hub.firsts(FILE)
    assert first == 0
    return others


def parent_of(pid) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_killed_process_of_the_queue_takes_all_along_and_is_replaced(site, hub):
    hub.pause_s = 0.05
    site.start("worker", "monitor")
    ask(site)
    site.until(lambda: begun(site), 90)
    [fetcher] = downloading(site)
    worker = parent_of(fetcher)
    os.kill(parent_of(worker), signal.SIGKILL)
    site.until(lambda: not downloading(site))
    hub.pause_s = 0
    fall_silent(site)
    [rest] = until_whole(site, hub)
    assert rest >= 2**20
    left = [path.name for path in (site.data_dir / "models").iterdir()]
    assert sorted(left) == ["smol.gguf", "tiny"]


def test_worker_that_was_killed_goes_on_when_it_is_back(site, hub):
    hub.pause_s = 0.05
    site.start("worker", "monitor")
    ask(site)
    site.until(lambda: begun(site), 90)
    site.kill("worker")
    site.until(lambda: not downloading(site))
    assert row(site)["state"] == "running"
    hub.pause_s = 0
    fall_silent(site)
    site.start("worker")
    [rest] = until_whole(site, hub)
    assert rest >= 2**20


def test_killed_fetcher_is_tried_again(site, hub):
    hub.pause_s = 0.05
    site.start("worker", "monitor")
    ask(site)
    site.until(lambda: begun(site), 90)
    [fetcher] = downloading(site)
    os.kill(fetcher, signal.SIGKILL)
    site.until(lambda: row(site)["state"] == "queued")
    assert row(site)["code"] == "download_interrupted"
    hub.pause_s = 0
    site.rows("update runtimes_download set retry_uptime = 0")
    until_whole(site, hub)


def test_cancelled_one_ends_within_moments(site, hub):
    hub.pause_s = 0.2
    site.start("worker", "monitor")
    ask(site)
    site.until(lambda: downloading(site), 90)
    site.python(
        "from common.jobs import cancel\n"
        "from runtimes.models import Download\n"
        "cancel(Download.objects.get())"
    )
    site.until(lambda: not downloading(site))
    assert row(site)["state"] == "cancelled"
    assert not (site.data_dir / "models/tiny").exists()


def test_several_that_begin_at_once_fetch_it_once(site, hub):
    ask(site)
    argv = [sys.executable, "manage.py", "run_jobs", "download", str(os.getpid())]
    workers = [subprocess.Popen(argv, cwd=ROOT, env=site.env) for _ in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert until_whole(site, hub) == []
