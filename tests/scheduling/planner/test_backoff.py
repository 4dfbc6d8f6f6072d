import pytest

from common.enums import Retry
from common.messages import find
from scheduling.planner.backoff import BackOff, EndedRun, assess

NOW = 10_000.0
LIMITS = BackOff(max_attempts=8)


def ended(code="crashed", ago=0.0, served=0.0, boot=True):
    when = NOW - ago if boot else None
    return EndedRun(code=code, ended=when, served_s=served, retry=find(code).retry)


def failures(count, ago):
    return [ended(ago=ago)] + [ended(ago=ago + 1000 * n) for n in range(1, count)]


@pytest.mark.parametrize(
    ("history", "start"),
    [
        ([], True),
        ([ended(ago=9)], False),
        ([ended(ago=10)], True),
        (failures(2, 19), False),
        (failures(2, 20), True),
        (failures(3, 39), False),
        (failures(3, 40), True),
        (failures(6, 299), False),  # 320 s is cut to 300 s
        (failures(6, 300), True),
        (failures(7, 300), True),
        (failures(8, 9999), False),  # given up
        ([ended("port_in_use")], True),
        ([ended("gpu_lost")], True),
        ([ended("gpu_unhealthy")], True),
        ([ended("bad_config", ago=9999)], False),
        ([ended("config_refused", ago=9999)], False),
        ([ended("model_file_missing", ago=9999)], False),
        ([ended("model_file_broken", ago=9999)], False),
        ([ended("preempted")], True),
        ([ended("restarted")], True),
        ([ended("node_rebooted")], True),
        ([ended(boot=False)], True),  # back-off does not outlive a reboot
        ([ended("node_rebooted"), *failures(8, 1)], True),
        # ten minutes of service reset the back-off
        ([ended(ago=10, served=600), *failures(7, 50)], True),
        ([ended(ago=10, served=599), *failures(7, 50)], False),
    ],
)
def test_assess_starts(history, start):
    assert assess(history, LIMITS, NOW).start is start


@pytest.mark.parametrize(
    ("history", "code", "params"),
    [
        ([ended()], "retrying", {"attempt": 2, "limit": 8, "seconds": 10}),
        (failures(4, 0), "retrying", {"attempt": 5, "limit": 8, "seconds": 80}),
        (failures(8, 0), "gave_up", {"attempt": 8}),
    ],
)
def test_assess_explains(history, code, params):
    verdict = assess(history, LIMITS, NOW)
    cause = {"cause": {"code": "crashed", "params": {}}}
    assert (verdict.code, verdict.params) == (code, {**cause, **params})


def test_assess_states_why_a_run_is_not_retried():
    missing = EndedRun(
        code="model_file_missing",
        params={"path": "/m"},
        ended=NOW,
        served_s=0,
        retry=Retry.NEVER,
    )
    verdict = assess([missing], LIMITS, NOW)
    assert verdict.code == "not_retried"
    assert verdict.params == {
        "cause": {"code": "model_file_missing", "params": {"path": "/m"}}
    }
