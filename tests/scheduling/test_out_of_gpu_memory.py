"""A model whose engine ran out of GPU memory while loading is tried again where there
is more of it, and nowhere else."""

import pytest

from common.enums import Retry
from scheduling.planner.backoff import EndedRun
from scheduling.planner.plan import plan
from scheduling.planner.types import Policy
from tests.scheduling.notation import snapshot, told

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
        (  # at once, on the larger GPU although the smaller is fuller
            ["a: gpus 8000 24000"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(8000)],
            ["place m/0 on a a1"],
        ),
        (  # not on the same again, nor on one that has hardly more
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
        (  # the same GPU, since a neighbour has left
            ["a: gpus 8000"],
            ["m: 1 gpu of 2000"],
            [],
            [oom(3000)],
            ["place m/0 on a a0"],
        ),
        (  # there is a larger one, but others of its rank hold it
            ["a: gpus 8000 24000"],
            ["m: 1 gpu of 5000", "n: 1 gpu of 20000"],
            ["n/0 on a a1"],
            [oom(8000)],
            ["m: waiting insufficient_gpus"],
        ),
        (  # or lower ones, who make room
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
        (  # all GPUs of a set need more
            ["a: gpus 8000 24000 24000"],
            ["m: 2 gpus of 5000"],
            [],
            [oom(8000)],
            ["place m/0 on a a1 a2"],
        ),
        (  # what has served before is another matter: the usual back-off
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
        (  # how much there was is not known
            ["a: gpus 8000"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(0)],
            ["m: error retrying"],
        ),
        (  # larger GPUs are tried so often, no more
            ["a: gpus 8000 90000"],
            ["m: 1 gpu of 5000"],
            [],
            [oom(7000 + n) for n in range(8)],
            ["m: error gave_up"],
        ),
    ],
)
def test_plan_tries_where_there_is_more(nodes, models, runs, history, decisions):
    seen = snapshot(nodes, models, runs, history={"m": {0: tuple(history)}})
    assert told(plan(seen, POLICY, NOW), seen) == decisions


def test_plan_tells_how_much_was_free():
    history = {"m": {0: (oom(8000),)}}
    seen = snapshot(["a: gpus 8000"], ["m: 1 gpu of 5000"], history=history)
    (reason,) = plan(seen, POLICY, NOW).reasons.values()
    assert reason.params == {
        "cause": {"code": "out_of_gpu_memory", "params": {}},
        "mib": 8000,
    }


def test_plan_notes_what_was_free_on_the_fullest_of_the_chosen():
    seen = snapshot(
        ["a: gpus 24000 16000/9000"], ["m: 2 gpus of 5000", "n: 1 gpu of 3000"]
    )
    rooms = [p.gpu_room_mib for p in plan(seen, POLICY, NOW).placements]
    assert rooms == [9000, 4000]


def test_moving_what_was_just_placed_minds_where_it_failed():
    """By itself n could take a1 only if m moved to a0, where m has run out."""
    seen = snapshot(
        ["a: gpus 8000 24000"],
        ["m: 1 gpu of 5000, since 1", "n: 1 gpu of 20000, since 2"],
        history={"m": {0: (oom(8000),)}},
    )
    assert told(plan(seen, POLICY, NOW), seen) == [
        "place m/0 on a a1",
        "n: waiting insufficient_gpus",
    ]
