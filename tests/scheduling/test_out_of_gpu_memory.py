"""A model that ran out of GPU memory while loading is retried where more is free."""

import pytest

from common.enums import Retry
from scheduling.planner.backoff import EndedRun
from scheduling.planner.plan import plan
from scheduling.planner.types import Policy
from tests.scheduling.notation import outcome, snapshot

NOW = 1000.0
POLICY = Policy(gpu_reserve_mib=0, gpu_step_mib=500)


def oom(room, ago=1.0, served=0.0):
    return EndedRun(
        code="out_of_gpu_memory",
        ended=NOW - ago,
        served_s=served,
        gpu_room_mib=room,
        retry=Retry.MORE_GPU_MEMORY,
    )


CRASH = EndedRun(code="crashed", ended=NOW - 500, served_s=0)


@pytest.mark.parametrize(
    ("nodes", "models", "runs", "history", "decisions"),
    [
        (  # at once, on the larger GPU although the smaller one is fuller
            ["a: gpus 8000 24000"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(8000)],
            ["place m/0 on a a1"],
        ),
        (  # not on the same GPU, nor on one with hardly more
            ["a: gpus 8000 8499"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(8000)],
            ["m: error no_gpu_has_more"],
        ),
        (
            ["a: gpus 8000 8500"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(8000)],
            ["place m/0 on a a1"],
        ),
        (  # on the same GPU once another model has left
            ["a: gpus 8000"],
            ["m: 1 gpu of 2000"],
            [],
            [oom(3000)],
            ["place m/0 on a a0"],
        ),
        (  # a larger GPU exists, but a model of equal priority holds it
            ["a: gpus 8000 24000"],
            ["m: 1 gpu of 5000", "n: 1 gpu of 20000"],
            ["n/0 on a a1"],
            [oom(8000)],
            ["m: waiting insufficient_gpus"],
        ),
        (  # or a model of lower priority, which is evicted
            ["a: gpus 8000 24000"],
            ["m: 1 gpu of 5000", "n: 1 gpu of 20000, prio 3"],
            ["n/0 on a a1"],
            [oom(8000)],
            ["stop n0: preempted by m", "m: waiting making_room"],
        ),
        (  # every attempt counts
            ["a: gpus 8000 12000 24000"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(8000), CRASH, oom(12000, ago=600)],
            ["place m/0 on a a2"],
        ),
        (  # every GPU of the set needs more
            ["a: gpus 8000 24000 24000"],
            ["m: 2 gpus of 5000"],
            [],
            [oom(8000)],
            ["place m/0 on a a1 a2"],
        ),
        (  # a run that has served gets the usual back-off
            ["a: gpus 8000"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(8000, served=5.0)],
            ["m: error retrying"],
        ),
        (
            ["a: gpus 8000"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(8000, ago=20, served=5.0), oom(8000, ago=90)],
            ["place m/0 on a a0"],
        ),
        (  # how much was free is unknown
            ["a: gpus 8000"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(0)],
            ["m: error retrying"],
        ),
        (  # the limit of attempts applies to larger GPUs as well
            ["a: gpus 8000 90000"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(7000 + n) for n in range(8)],
            ["m: error gave_up"],
        ),
    ],
)
def test_plan_retries_where_more_is_free(nodes, models, runs, history, decisions):
    case = snapshot(nodes, models, runs, history={"m": {0: tuple(history)}})
    assert outcome(plan(case, POLICY, NOW), case) == decisions


def test_reason_states_how_much_was_free():
    history = {"m": {0: (oom(8000),)}}
    case = snapshot(["a: gpus 8000"], ["m: 1 gpu of 5000"], history=history)
    (reason,) = plan(case, POLICY, NOW).reasons.values()
    assert reason.params == {
        "cause": {"code": "out_of_gpu_memory", "params": {}},
        "mib": 8000,
    }


def test_placement_records_the_room_on_its_fullest_gpu():
    case = snapshot(
        ["a: gpus 24000 16000/9000"], ["m: 2 gpus of 5000", "n: 1 gpu of 3000"]
    )
    rooms = [p.gpu_room_mib for p in plan(case, POLICY, NOW).placements]
    assert rooms == [9000, 4000]


def test_moved_placement_avoids_gpus_where_the_model_failed():
    """n fits on a1 only if m moves to a0, where m ran out of memory."""
    case = snapshot(
        ["a: gpus 8000 24000"],
        ["m: 1 gpu of 5000, since 1", "n: 1 gpu of 20000, since 2"],
        history={"m": {0: (oom(8000),)}},
    )
    assert outcome(plan(case, POLICY, NOW), case) == [
        "place m/0 on a a1",
        "n: waiting insufficient_gpus",
    ]
