import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.picture import Policy, Run, Snapshot
from scheduling.planner import plan
from scheduling.recovery import EndedRun
from tests.scheduling.words import snapshot, told

NOW = 1000.0
POLICY = Policy(gpu_reserve_mib=0)
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
        (  # same priority: who waits longest
            ["a: 1 cpu"],
            ["m: 1 cpu, since 9", "n: 1 cpu, since 3"],
            [],
            ["place n/0 on a", "m: waiting insufficient_cpu"],
        ),
        (  # what fits goes on although a bigger one waits
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
        (  # what stops still holds its place
            ["a: 1 cpu"],
            ["m: stopped", "n: 1 cpu"],
            ["m/0 on a stopping"],
            ["n: waiting insufficient_cpu"],
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
        (  # booked and not yet taken
            ["a: gpus 24000/24000"],
            ["m: 1 gpu of 20000", "n: 1 gpu of 20000"],
            ["m/0 on a a0"],
            ["n: waiting insufficient_gpus"],
        ),
        (  # booked and taken: measured once, not twice
            ["a: gpus 24000/12000"],
            ["m: 1 gpu of 11000", "n: 1 gpu of 12000"],
            ["m/0 on a a0 taken"],
            ["place n/0 on a a0"],
        ),
        (  # taken by a foreign process
            ["a: gpus 24000/3000 24000/24000"],
            ["m: 1 gpu of 20000"],
            [],
            ["place m/0 on a a1"],
        ),
        (["a: 8 cpu"], ["m: 1 gpu of 1"], [], ["m: waiting insufficient_gpus"]),
        (  # GPUs of two machines are never put together
            ["a: gpus 24000", "b: gpus 24000"],
            ["m: 2 gpus of 20000"],
            [],
            ["m: waiting insufficient_gpus"],
        ),
    ],
)
def test_plan(nodes, models, runs, decisions):
    seen = snapshot(nodes, models, runs)
    assert told(plan(seen, POLICY, NOW), seen) == decisions


def test_plan_waits_out_a_back_off_and_lets_others_pass():
    seen = snapshot(
        ["a: 1 cpu"], ["m: 1 cpu, prio 9", "n: 1 cpu"], history={"m": CRASHED}
    )
    assert told(plan(seen, POLICY, NOW), seen) == [
        "place n/0 on a",
        "m: error retrying",
    ]


def test_plan_names_what_is_missing():
    seen = snapshot(["a: 4 cpu"], ["m: 3 cpu", "n: 3 cpu"], ["m/0 on a"])
    [reason] = plan(seen, POLICY, NOW).reasons.values()
    assert reason.params == {"node": "a", "needed": 3, "free": 1, "total": 4}


def test_plan_keeps_the_reserve_of_a_gpu_free():
    seen = snapshot(["a: gpus 24000"], ["m: 1 gpu of 23800"])
    decided = plan(seen, Policy(gpu_reserve_mib=256), NOW)
    assert told(decided, seen) == ["m: waiting insufficient_gpus"]


names = st.sampled_from("abcdefgh")
node_texts = st.builds(
    "{}: {} cpu, {} mem, gpus {}".format,
    names,
    st.integers(1, 8),
    st.integers(0, 8000),
    st.lists(st.sampled_from(["8000", "24000", "24000/9000"]), max_size=4).map(
        lambda sizes: " ".join(sizes) or "0"
    ),
)
model_texts = st.tuples(
    st.integers(1, 4), st.integers(0, 3000), st.integers(0, 3),
    st.integers(1, 20000), st.integers(1, 10), st.integers(1, 3),
).map(
    lambda m: "{} cpu, {} mem, {} gpus of {}, prio {}, x{}".format(*m)
)  # fmt: skip
pictures = st.builds(
    lambda nodes, models: snapshot(
        nodes, [f"m{n}: {text}" for n, text in enumerate(models)]
    ),
    st.lists(node_texts, max_size=3, unique_by=lambda text: text[0]),
    st.lists(model_texts, max_size=8),
)


def carried_out(seen: Snapshot, decided) -> Snapshot:
    started = [
        Run(
            uid=f"{p.model_id}/{p.replica}",
            model_id=p.model_id,
            replica=p.replica,
            generation=p.generation,
            node=p.node,
            cpu_cores=p.cpu_cores,
            memory_mib=p.memory_mib,
            gpus=dict(p.gpus),
        )
        for p in decided.placements
    ]
    return Snapshot(nodes=seen.nodes, models=seen.models, runs=(*seen.runs, *started))


@given(pictures)
def test_plan_never_gives_more_than_there_is(seen):
    after = carried_out(seen, plan(seen, POLICY, NOW))
    for node in seen.nodes:
        here = [run for run in after.runs if run.node == node.name]
        assert sum(run.cpu_cores for run in here) <= node.cpu_cores
        assert sum(run.memory_mib for run in here) <= node.memory_mib
        for gpu in node.gpus:
            held = sum(run.gpus.get(gpu.uuid, 0) for run in here)
            assert held <= min(gpu.memory_mib, gpu.free_mib or gpu.memory_mib)


@given(pictures)
def test_plan_again_after_applying_decides_nothing(seen):
    decided = plan(seen, POLICY, NOW)
    again = plan(carried_out(seen, decided), POLICY, NOW)
    assert (again.placements, again.stops) == ((), ())
    assert again.reasons.keys() == decided.reasons.keys()


@given(pictures)
def test_plan_of_the_same_picture_is_the_same(seen):
    shuffled = Snapshot(
        nodes=seen.nodes[::-1], models=seen.models[::-1], runs=seen.runs
    )
    assert plan(seen, POLICY, NOW) == plan(seen, POLICY, NOW)
    assert set(plan(shuffled, POLICY, NOW).placements) == set(
        plan(seen, POLICY, NOW).placements
    )


@given(pictures)
def test_plan_places_or_explains_every_wanted_model(seen):
    decided = plan(seen, POLICY, NOW)
    for model in seen.models:
        placed = sum(p.model_id == model.id for p in decided.placements)
        assert placed == model.replicas or model.id in decided.reasons
