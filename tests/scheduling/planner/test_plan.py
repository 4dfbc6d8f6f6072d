import pytest

from scheduling.planner.backoff import EndedRun
from scheduling.planner.plan import plan
from scheduling.planner.types import Policy
from tests.scheduling.notation import outcome, snapshot

NOW = 1000.0
POLICY = Policy(gpu_reserve_mib=0, min_running_s=30, cool_down_s=60)
CRASHED = {0: (EndedRun(code="crashed", ended=NOW - 1, served_s=0),)}


@pytest.mark.parametrize(
    ("nodes", "models", "runs", "decisions"),
    [
        (["a: 2 cpu"], ["m: 1 cpu"], [], ["place m/0 on a"]),
        (["a: 2 cpu"], ["m: 1 cpu"], ["m/0 on a"], []),
        (["a: 2 cpu"], ["m: 3 cpu"], [], ["m: waiting insufficient_cpu"]),
        ([], ["m: 1 cpu"], [], ["m: waiting no_node"]),
        (
            ["a: 1 cpu"],
            ["m: 1 cpu", "n: 1 cpu"],
            [],
            ["place m/0 on a", "n: waiting insufficient_cpu"],
        ),
        (  # priority before waiting time
            ["a: 1 cpu"],
            ["m: 1 cpu, prio 3", "n: 1 cpu, prio 9"],
            [],
            ["place n/0 on a", "m: waiting insufficient_cpu"],
        ),
        (  # same priority: the longest wait first
            ["a: 1 cpu"],
            ["m: 1 cpu, since 9", "n: 1 cpu, since 3"],
            [],
            ["place n/0 on a", "m: waiting insufficient_cpu"],
        ),
        (  # a model that fits starts although a bigger one waits
            ["a: 2 cpu"],
            ["m: 3 cpu, prio 9", "n: 1 cpu"],
            [],
            ["place n/0 on a", "m: waiting insufficient_cpu"],
        ),
        (
            ["a: 8 cpu, 1000 mem"],
            ["m: 1 cpu, 1001 mem"],
            [],
            ["m: waiting insufficient_memory"],
        ),
        (["a: 8 cpu"], ["m: x2"], [], ["place m/0 on a", "place m/1 on a"]),
        (["a: 8 cpu"], ["m: x2"], ["m/0 on a"], ["place m/1 on a"]),
        (["a: 8 cpu"], ["m: x1"], ["m/0 on a", "m/1 on a"], ["stop m1: scaled_down"]),
        (["a: 8 cpu"], ["m: stopped"], ["m/0 on a"], ["stop m0: stopped"]),
        (["a: 8 cpu"], ["m: stopped"], ["m/0 on a stopping"], []),
        (["a: 8 cpu"], ["m: gen 2"], ["m/0 on a gen 1"], ["stop m0: restarted"]),
        (["a: 8 cpu"], ["m: gen 2"], ["m/0 on a gen 1 stopping"], []),
        (  # a stopping run still holds its room
            ["a: 1 cpu"],
            ["m: stopped", "n: 1 cpu"],
            ["m/0 on a stopping"],
            ["n: waiting making_room"],
        ),
        (  # fullest machine first
            ["a: 8 cpu", "b: 4 cpu"],
            ["m: 2 cpu"],
            [],
            ["place m/0 on b"],
        ),
        (  # GPUs: the fullest that fits
            ["a: gpus 24000 16000"],
            ["m: 1 gpu of 10000"],
            [],
            ["place m/0 on a a1"],
        ),
        (
            ["a: gpus 24000 24000"],
            ["m: 2 gpus of 20000"],
            [],
            ["place m/0 on a a0 a1"],
        ),
        (
            ["a: gpus 24000 24000"],
            ["m: 1 gpu of 20000", "n: 1 gpu of 20000", "o: 1 gpu of 20000"],
            [],
            [
                "place m/0 on a a0",
                "place n/0 on a a1",
                "o: waiting insufficient_gpus",
            ],
        ),
        (  # booked and not yet allocated
            ["a: gpus 24000/24000"],
            ["m: 1 gpu of 20000", "n: 1 gpu of 20000"],
            ["m/0 on a a0"],
            ["n: waiting insufficient_gpus"],
        ),
        (  # booked and allocated: not counted twice
            ["a: gpus 24000/12000"],
            ["m: 1 gpu of 11000", "n: 1 gpu of 12000"],
            ["m/0 on a a0 taken"],
            ["place n/0 on a a0"],
        ),
        (  # used by a foreign process
            ["a: gpus 24000/3000 24000/24000"],
            ["m: 1 gpu of 20000"],
            [],
            ["place m/0 on a a1"],
        ),
        (["a: 8 cpu"], ["m: 1 gpu of 1"], [], ["m: waiting insufficient_gpus"]),
        (  # a run on a closed GPU stays
            ["a: gpus 24000x 24000"],
            ["m: 1 gpu of 20000"],
            ["m/0 on a a0"],
            [],
        ),
        (  # a run on a drained GPU leaves, even if it holds others as well
            ["a: gpus 24000d 24000 24000"],
            ["m: 2 gpus of 20000", "n: 1 gpu of 20000"],
            ["m/0 on a a0 a1", "n/0 on a a2"],
            ["stop m0: gpu_drained"],
        ),
        (  # a run on a lost GPU leaves as well
            ["a: gpus 24000l 24000"],
            ["m: 1 gpu of 20000", "n: 1 gpu of 20000"],
            ["m/0 on a a0"],
            ["stop m0: gpu_lost", "n: waiting insufficient_gpus"],
        ),
        (  # neither what a run has yet to allocate nor foreign use is free
            ["a: gpus 24000/13000"],
            ["m: 1 gpu of 20000", "n: 1 gpu of 2000"],
            ["m/0 on a a0 taken uses 9000"],
            ["place n/0 on a a0"],
        ),
        (  # and no more than that
            ["a: gpus 24000/13000"],
            ["m: 1 gpu of 20000", "n: 1 gpu of 2001"],
            ["m/0 on a a0 taken uses 9000"],
            ["n: waiting insufficient_gpus"],
        ),
        (  # a run that uses more than it booked reduces what is free
            ["a: gpus 24000/12000"],
            ["m: 1 gpu of 10000", "n: 1 gpu of 13000"],
            ["m/0 on a a0 taken uses 12000"],
            ["n: waiting insufficient_gpus"],
        ),
        (  # a run that uses less has still booked it
            ["a: gpus 24000/20000"],
            ["m: 1 gpu of 10000", "n: 1 gpu of 14001"],
            ["m/0 on a a0 taken uses 4000"],
            ["n: waiting insufficient_gpus"],
        ),
        (  # or on an unhealthy one, whatever it has free
            ["a: gpus 24000/24000u 24000"],
            ["m: 1 gpu of 20000", "n: 1 gpu of 20000"],
            ["m/0 on a a0"],
            ["stop m0: gpu_unhealthy", "n: waiting insufficient_gpus"],
        ),
        (  # even when there is no other place
            ["a: gpus 24000d"],
            ["m: 1 gpu of 20000"],
            ["m/0 on a a0"],
            ["stop m0: gpu_drained"],
        ),
        (
            ["a: gpus 24000d 24000"],
            ["m: 1 gpu of 20000"],
            [],
            ["place m/0 on a a1"],
        ),
        (["a: gpus 24000d"], ["m: 1 cpu"], ["m/0 on a"], []),
        (  # stopped only once
            ["a: gpus 24000d"],
            ["m: 1 gpu of 20000"],
            ["m/0 on a a0 stopping"],
            [],
        ),
        (  # GPUs of two machines are never combined
            ["a: gpus 24000", "b: gpus 24000"],
            ["m: 2 gpus of 20000"],
            [],
            ["m: waiting insufficient_gpus"],
        ),
    ],
)
def test_plan(nodes, models, runs, decisions):
    case = snapshot(nodes, models, runs)
    assert outcome(plan(case, POLICY, NOW), case) == decisions


def test_model_in_back_off_waits_and_others_start():
    case = snapshot(
        ["a: 1 cpu"], ["m: 1 cpu, prio 9", "n: 1 cpu"], history={"m": CRASHED}
    )
    assert outcome(plan(case, POLICY, NOW), case) == [
        "place n/0 on a",
        "m: error retrying",
    ]


def test_reason_states_what_is_missing():
    case = snapshot(["a: 4 cpu"], ["m: 3 cpu", "n: 3 cpu"], ["m/0 on a"])
    [reason] = plan(case, POLICY, NOW).reasons.values()
    assert reason.params == {"node": "a", "needed": 3, "free": 1, "total": 4}


def test_plan_keeps_the_gpu_reserve_free():
    case = snapshot(["a: gpus 24000"], ["m: 1 gpu of 23800"])
    decided = plan(case, Policy(gpu_reserve_mib=256), NOW)
    assert outcome(decided, case) == ["m: waiting insufficient_gpus"]
