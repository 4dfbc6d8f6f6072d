"""An engine that does nothing any more is replaced; one that works is left alone."""

import json
import os
import signal
import time

import pytest

pytestmark = pytest.mark.fault

HANG_SECONDS = 3
SETTINGS = {"HANG_SECONDS": str(HANG_SECONDS), "TERMINATE_SECONDS": "1"}


def started(site, name, **config):
    site.start("worker", "monitor")
    site.add(name, **config)
    site.request("start", name)
    return site.until_status(name, "running")[-1]


def completion(site, run, tokens, prompt="One, two,"):
    """A connection on which an engine was asked for so many tokens."""
    wanted = {"prompt": prompt, "max_tokens": tokens, "ignore_eos": True}
    body = json.dumps(wanted)
    headers = {
        "Authorization": f"Bearer {site.engine_key(run)}",
        "Content-Type": "application/json",
    }
    connection = site.engine_connection(run)
    connection.request("POST", "/v1/completions", body, headers)
    return connection.sock


def replaced(site, name):
    """The run that was and the one that serves in its place, once it does."""
    runs = site.runs(name)
    return runs if len(runs) == 2 and runs[1]["state"] == "ready" else None


def test_an_engine_that_is_stopped_in_its_work_is_replaced(site):
    run = started(site, "frozen")
    connection = completion(site, run, 400)
    time.sleep(1)
    os.kill(site.claim(run["uid"])["engine_pid"], signal.SIGSTOP)
    frozen = time.monotonic()
    before, _ = site.until(lambda: replaced(site, "frozen"), seconds=60)
    connection.close()
    assert (before["uid"], before["end_code"]) == (run["uid"], "hang")
    assert time.monotonic() - frozen > HANG_SECONDS
    assert site.model("frozen")["status"] == "running"


def test_an_engine_that_works_longer_than_that_is_not(site):
    """One step of a large prompt moves no counter until it is done."""
    run = started(site, "busy", n_ctx=8192, n_threads=1)
    connection = completion(site, run, 2000, prompt="One, two, " * 1500)
    deadline = time.monotonic() + 3 * HANG_SECONDS
    while time.monotonic() < deadline:
        assert [r["state"] for r in site.runs("busy")] == ["ready"]
        time.sleep(0.2)
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):  # still at it
        connection.recv(1)
    connection.close()
