"""Processes are killed at every bad moment; models keep running, or come back."""

import json
import os
import signal
import time

import pytest

pytestmark = pytest.mark.fault


@pytest.fixture
def running(site):
    site.start("worker", "monitor")
    site.add("smol")
    site.request("start", "smol")
    return site.until_status("smol", "running")[-1]


def talk(site, run) -> str:
    body = {"prompt": "One, two,", "max_tokens": 4}
    status, text = site.engine_request(run, "POST", "/v1/completions", body)
    assert status == 200
    return json.loads(text)["choices"][0]["text"]


def engine_pid(site, run) -> int:
    return site.claim(run["uid"])["engine_pid"]


def two_runs_from(run, site):
    """The run and its successor, once that is ready."""
    *_, before, after = [None, *site.runs("smol")]
    replaced = before and before["uid"] == run["uid"] and after["state"] == "ready"
    return (before, after) if replaced else None


def test_worker_and_monitor_killed_engine_goes_on_and_is_adopted(site, running):
    pid = engine_pid(site, running)
    site.kill("worker")
    site.kill("monitor")
    assert talk(site, running)
    os.kill(pid, 0)
    site.start("worker", "monitor")
    site.request("stop", "smol")  # whoever adopted it can stop it
    ended = site.until_status("smol", "stopped")[-1]
    assert (ended["uid"], ended["exit_code"]) == (running["uid"], 0)
    assert pid not in site.engines()


def test_engine_killed_is_seen_and_restarted_after_its_back_off(site, running):
    killed = time.monotonic()
    os.kill(engine_pid(site, running), signal.SIGKILL)
    site.until(lambda: site.runs("smol")[-1]["state"] == "ended")
    assert time.monotonic() - killed < 20  # a second, and what a busy machine adds
    before, after = site.until(
        lambda: (
            len(runs := site.runs("smol")[-2:]) == 2
            and runs[1]["state"] == "ready"
            and runs
        )
    )
    assert before["uid"] == running["uid"]
    assert (before["end_code"], before["exit_signal"]) == ("killed", 9)
    assert before["log_tail"]
    assert talk(site, after)


def test_shim_killed_takes_the_engine_along(site, running):
    claim = site.claim(running["uid"])
    os.kill(claim["pid"], signal.SIGKILL)
    site.until(lambda: claim["engine_pid"] not in site.engines())
    before, after = site.until(lambda: two_runs_from(running, site))
    assert before["end_code"] == "crashed"
    assert talk(site, after)


def test_model_file_removed_while_stopped_fails_once(site, running):
    site.request("stop", "smol")
    site.until_status("smol", "stopped")
    hidden = site.model_path.with_suffix(".hidden")
    site.model_path.rename(hidden)
    count = len(site.runs("smol"))
    site.request("start", "smol")
    site.until_status("smol", "error")
    time.sleep(3)  # three times the back-off
    runs = site.runs("smol")
    hidden.rename(site.model_path)
    assert len(runs) == count + 1
    assert runs[-1]["end_code"] == "model_file_missing"
    assert site.model("smol")["reason_code"] == "not_retried"
    site.request("start", "smol")
    site.until_status("smol", "running")


def test_engine_without_a_live_run_is_reaped(site, running):
    site.kill("worker")
    [pid] = [engine_pid(site, running)]
    database = site.data_dir / "db.sqlite3"
    assert database.exists()
    site.python(
        "from models_app.models import Run\n"
        f"Run.objects.get(uid={running['uid']!r}).delete()"
    )
    site.until(lambda: pid not in site.engines(), 30)
    query = "select * from models_app_activity where code='engine_reaped'"
    [reaped] = site.until(lambda: site.rows(query))  # written after the kill
    assert json.loads(reaped["params"]) == {"uid": running["uid"]}
    site.start("worker")
