"""Two real models that do not fit together on this machine's cores."""

import json
import os
import threading

import pytest

pytestmark = pytest.mark.fault

ALL_CORES = len(os.sched_getaffinity(0))


SETTINGS = {
    "MIN_RUNNING_SECONDS": "0",
    "COOL_DOWN_SECONDS": "0",
    "DRAIN_SECONDS": "120",
}


def add(site, name, priority):
    site.add(name)
    site.update_model(name, priority=priority, cpu_cores=ALL_CORES)


def generate(site, run, tokens, answers):
    body = {"prompt": "Once upon a time", "max_tokens": tokens, "ignore_eos": True}
    _, text = site.engine_request(run, "POST", "/v1/completions", body)
    answers.append(json.loads(text)["usage"]["completion_tokens"])


def test_higher_evicts_lower_which_finishes_its_request_and_returns(site):
    site.start("worker", "monitor")
    add(site, "low", 3)
    add(site, "high", 9)
    site.request("start", "low")
    [low] = site.until_status("low", "running")
    answers = []
    talk = threading.Thread(target=generate, args=(site, low, 60, answers))
    talk.start()
    site.request("start", "high")
    site.until_status("high", "running", 170)
    talk.join()
    assert answers == [60]
    [evicted] = site.runs("low")
    assert (evicted["end_code"], evicted["exit_code"]) == ("preempted", 0)
    assert json.loads(evicted["end_params"])["by"] == "high"
    assert site.model("low")["status"] == "waiting"
    site.request("stop", "high")
    _, back = site.until_status("low", "running", 60)
    assert back["uid"] != evicted["uid"]
