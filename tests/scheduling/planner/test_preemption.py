import pytest

from scheduling.planner.plan import plan
from scheduling.planner.types import Policy, Suggestion
from tests.scheduling.notation import outcome, snapshot

NOW = 1000.0
POLICY = Policy(gpu_reserve_mib=0, min_running_s=30, cool_down_s=60)


@pytest.mark.parametrize(
    ("nodes", "models", "runs", "decisions"),
    [
        (  # strictly lower only
            ["a: 2 cpu"],
            ["low: 2 cpu, prio 3", "high: 2 cpu, prio 9"],
            ["low/0 on a"],
            ["stop low0: preempted by high", "high: waiting making_room"],
        ),
        (
            ["a: 2 cpu"],
            ["one: 2 cpu, prio 5", "two: 2 cpu, prio 5"],
            ["one/0 on a"],
            ["two: waiting insufficient_cpu"],
        ),
        (
            ["a: 2 cpu"],
            ["high: 2 cpu, prio 9", "low: 2 cpu, prio 3"],
            ["high/0 on a"],
            ["low: waiting insufficient_cpu"],
        ),
        (
            ["a: 2 cpu"],
            ["low: 2 cpu, prio 3, firm", "high: 2 cpu, prio 9"],
            ["low/0 on a"],
            ["high: waiting insufficient_cpu"],
        ),
        (
            ["a: 2 cpu"],
            ["low: 2 cpu, prio 3", "high: 2 cpu, prio 9, meek"],
            ["low/0 on a"],
            ["high: waiting insufficient_cpu"],
        ),
        (
            ["a: 2 cpu"],
            ["low: 2 cpu, prio 3", "high: 2 cpu, prio 9"],
            ["low/0 on a new"],
            ["high: waiting insufficient_cpu"],
        ),
        (
            ["a: 2 cpu"],
            ["low: 2 cpu, prio 3, cooling", "high: 2 cpu, prio 9"],
            ["low/0 on a"],
            ["high: waiting insufficient_cpu"],
        ),
        (  # no eviction if there is room
            ["a: 4 cpu"],
            ["low: 2 cpu, prio 3", "high: 2 cpu, prio 9"],
            ["low/0 on a"],
            ["place high/0 on a"],
        ),
        (  # nor if it would not be enough
            ["a: 2 cpu"],
            ["low: 2 cpu, prio 3", "high: 3 cpu, prio 9"],
            ["low/0 on a"],
            ["high: waiting insufficient_cpu"],
        ),
        (  # nor if a stopping run already makes enough room
            ["a: 2 cpu", "b: 2 cpu"],
            ["low: 2 cpu, prio 3, x2", "high: 2 cpu, prio 9"],
            ["low/0 on a stopping", "low/1 on b"],
            ["high: waiting making_room", "low: waiting"],
        ),
        (  # fewest victims, although their priority is higher
            ["a: 4 cpu"],
            ["s: 1 cpu, prio 1, x2", "b: 2 cpu, prio 4, meek", "high: 2 cpu, prio 9"],
            ["s/0 on a", "s/1 on a", "b/0 on a"],
            ["stop b0: preempted by high", "high: waiting making_room"],
        ),
        (  # then the lowest priority
            ["a: 4 cpu"],
            ["m: 2 cpu, prio 4", "l: 2 cpu, prio 2", "high: 2 cpu, prio 9"],
            ["m/0 on a", "l/0 on a"],
            ["stop l0: preempted by high", "high: waiting making_room"],
        ),
        (  # then the least traffic
            ["a: 4 cpu"],
            ["m: 2 cpu, prio 4", "l: 2 cpu, prio 4", "high: 2 cpu, prio 9"],
            ["m/0 on a traffic 1", "l/0 on a traffic 8"],
            ["stop m0: preempted by high", "high: waiting making_room"],
        ),
        (  # then the newest
            ["a: 4 cpu"],
            ["m: 2 cpu, prio 4", "l: 2 cpu, prio 4", "high: 2 cpu, prio 9"],
            ["m/0 on a", "l/0 on a"],
            ["stop l0: preempted by high", "high: waiting making_room"],
        ),
        (  # on the machine where it costs least
            ["a: 2 cpu", "b: 2 cpu"],
            ["m: 1 cpu, prio 2, x2", "l: 2 cpu, prio 4, meek", "high: 2 cpu, prio 9"],
            ["m/0 on a", "m/1 on a", "l/0 on b"],
            ["stop l0: preempted by high", "high: waiting making_room"],
        ),
        (  # several where one is not enough, and no more than needed
            ["a: 4 cpu"],
            ["s: 1 cpu, prio 1, x4", "high: 3 cpu, prio 9"],
            ["s/0 on a", "s/1 on a", "s/2 on a", "s/3 on a"],
            [
                "stop s3: preempted by high",
                "stop s2: preempted by high",
                "stop s1: preempted by high",
                "high: waiting making_room",
            ],
        ),
        (  # GPUs: those that free the set
            ["a: gpus 24000 24000"],
            [
                "s: 1 gpu of 9000, prio 1",
                "t: 1 gpu of 9000, prio 2",
                "high: 2 gpus of 20000, prio 9",
            ],
            ["s/0 on a a0", "t/0 on a a1"],
            [
                "stop s0: preempted by high",
                "stop t0: preempted by high",
                "high: waiting making_room",
            ],
        ),
        (  # a victim on another GPU is not enough
            ["a: gpus 24000 24000"],
            [
                "s: 1 gpu of 9000, prio 1",
                "firm: 1 gpu of 20000, prio 1, firm",
                "high: 1 gpu of 20000, prio 9",
            ],
            ["s/0 on a a0", "firm/0 on a a1"],
            ["stop s0: preempted by high", "high: waiting making_room"],
        ),
        (  # an evicted model keeps its rank and evicts lower ones
            ["a: 2 cpu", "b: 1 cpu"],
            ["l: 1 cpu, prio 1", "m: 2 cpu, prio 4", "n: 1 cpu, prio 2"],
            ["m/0 on a", "l/0 on b"],
            ["stop l0: preempted by n", "n: waiting making_room"],
        ),
        (  # two high ones, one victim each
            ["a: 2 cpu"],
            ["s: 1 cpu, prio 1, x2", "h: 1 cpu, prio 9", "i: 1 cpu, prio 9"],
            ["s/0 on a", "s/1 on a"],
            [
                "stop s1: preempted by h",
                "stop s0: preempted by i",
                "h: waiting making_room",
                "i: waiting making_room",
            ],
        ),
    ],
)
def test_plan_preempts(nodes, models, runs, decisions):
    case = snapshot(nodes, models, runs)
    lines = outcome(plan(case, POLICY, NOW), case)
    assert [line for line in lines if not line.startswith("low: waiting")] == [
        line for line in decisions if not line.startswith("low: waiting")
    ]


@pytest.mark.parametrize(
    ("nodes", "models", "runs", "decisions"),
    [
        (  # room that is being made for a higher model is not given to a lower one
            ["a: 4 cpu"],
            ["v: 2 cpu, prio 1, stopped", "high: 4 cpu, prio 9", "low: 1 cpu, prio 2"],
            ["v/0 on a stopping"],
            ["high: waiting making_room", "low: waiting insufficient_cpu"],
        ),
        (  # room that it cannot use is
            ["a: 4 cpu", "b: 1 cpu"],
            ["v: 2 cpu, prio 1, stopped", "high: 4 cpu, prio 9", "low: 1 cpu, prio 2"],
            ["v/0 on a stopping"],
            ["place low/0 on b", "high: waiting making_room"],
        ),
        (  # a model that could be evicted again may use reserved room
            ["a: 4 cpu"],
            ["v: 2 cpu, prio 9", "high: 4 cpu, prio 9", "low: 1 cpu, prio 2"],
            ["v/0 on a"],
            ["place low/0 on a", "high: waiting insufficient_cpu"],
        ),
        (  # a model that is not preemptible may not
            ["a: 4 cpu"],
            ["v: 2 cpu, prio 9", "high: 4 cpu, prio 9", "low: 1 cpu, prio 2, firm"],
            ["v/0 on a"],
            ["high: waiting insufficient_cpu", "low: waiting insufficient_cpu"],
        ),
        (
            ["a: 4 cpu"],
            ["v: 2 cpu, prio 9", "high: 4 cpu, prio 9, meek", "low: 1 cpu, prio 2"],
            ["v/0 on a"],
            ["high: waiting insufficient_cpu", "low: waiting insufficient_cpu"],
        ),
        (  # nor one of the same priority that came later
            ["a: 4 cpu"],
            ["v: 2 cpu, prio 9", "first: 4 cpu, prio 9", "next: 1 cpu, prio 9"],
            ["v/0 on a"],
            ["first: waiting insufficient_cpu", "next: waiting insufficient_cpu"],
        ),
        (  # a model that could never fit reserves nothing
            ["a: 4 cpu"],
            ["high: 5 cpu, prio 9", "low: 1 cpu, prio 2"],
            [],
            ["place low/0 on a", "high: waiting insufficient_cpu"],
        ),
        (  # a GPU is reserved, the CPU cores beside it are used
            ["a: 8 cpu, gpus 24000"],
            [
                "v: 1 cpu, 1 gpu of 20000, prio 9",
                "high: 1 cpu, 1 gpu of 24000, prio 9",
                "low: 1 cpu, prio 1, firm",
                "lowgpu: 1 cpu, 1 gpu of 2000, prio 1, firm",
            ],
            ["v/0 on a a0"],
            [
                "place low/0 on a",
                "high: waiting insufficient_gpus",
                "lowgpu: waiting insufficient_gpus",
            ],
        ),
    ],
)
def test_plan_reserves_room_for_models_further_ahead(nodes, models, runs, decisions):
    case = snapshot(nodes, models, runs)
    assert outcome(plan(case, POLICY, NOW), case) == decisions


@pytest.mark.parametrize(
    ("nodes", "models", "decisions"),
    [
        (
            ["a: gpus 24000x 16000"],
            ["m: 1 gpu of 20000"],
            ["m: waiting insufficient_gpus"],
        ),
        (["a: gpus 24000x 16000"], ["m: 1 gpu of 9000"], ["place m/0 on a a1"]),
        (["a: gpus 24000 16000"], ["m: 1 gpu of 9000, spread"], ["place m/0 on a a0"]),
        (["a: gpus 24000 16000"], ["m: 1 gpu of 9000, pin a0"], ["place m/0 on a a0"]),
        (
            ["a: gpus 24000 16000"],
            ["m: 1 gpu of 20000, pin a1"],
            ["m: waiting insufficient_gpus"],
        ),
        (["a: 8 cpu", "b: 4 cpu"], ["m: 1 cpu, spread"], ["place m/0 on a"]),
        (  # models without GPUs avoid machines with GPUs
            ["a: 4 cpu, gpus 24000", "b: 8 cpu"],
            ["m: 1 cpu"],
            ["place m/0 on b"],
        ),
        (  # two GPUs that are in use before two that are whole
            ["a: gpus 24000 24000/12000 24000/12000 24000"],
            ["m: 2 gpus of 10000"],
            ["place m/0 on a a1 a2"],
        ),
    ],
)
def test_plan_places_by_policy(nodes, models, decisions):
    case = snapshot(nodes, models)
    assert outcome(plan(case, POLICY, NOW), case) == decisions


def test_plan_follows_the_placement_policy():
    case = snapshot(["a: 8 cpu", "b: 4 cpu"], ["m: 1 cpu"])
    spread = Policy(gpu_reserve_mib=0, placement="spread")
    assert outcome(plan(case, spread, NOW), case) == ["place m/0 on a"]


def test_plan_respects_the_priority_gap():
    case = snapshot(
        ["a: 2 cpu"], ["low: 2 cpu, prio 5", "high: 2 cpu, prio 6"], ["low/0 on a"]
    )
    wide = Policy(priority_gap=2)
    assert outcome(plan(case, wide, NOW), case) == ["high: waiting insufficient_cpu"]


def test_plan_limits_evictions():
    models = ["s: 1 cpu, prio 1, x6", *(f"h{n}: 1 cpu, prio 9" for n in range(6))]
    case = snapshot(["a: 6 cpu"], models, [f"s/{n} on a" for n in range(6)])
    few = Policy(max_evictions=2)
    assert len(plan(case, few, NOW).stops) == 2


def test_reason_has_position_machine_and_suggestions():
    case = snapshot(
        ["a: 2 cpu"],
        ["x: 2 cpu, prio 5", "m: 2 cpu, prio 5", "n: 9 cpu, prio 5"],
        ["x/0 on a"],
    )
    reasons = plan(case, POLICY, NOW).reasons
    other = {"model": "x", "id": 1, "priority": 5}
    assert (reasons[2].position, reasons[2].nominated) == (1, "a")
    assert reasons[2].suggestions == (
        Suggestion(action="stop", params=other),
        Suggestion(action="priority", params={**other, "to": 6}),
    )
    assert (reasons[3].position, reasons[3].nominated, reasons[3].suggestions) == (
        2,
        "",
        (),
    )
