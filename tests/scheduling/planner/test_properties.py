"""What must hold for every picture: machines, GPUs, models of all sizes; some already
run, placed by an earlier plan, so that they hold together."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from scheduling.planner.plan import order, plan
from scheduling.planner.types import Policy, Run, Snapshot
from tests.scheduling.notation import snapshot

NOW = 1000.0
POLICY = Policy(gpu_reserve_mib=0, min_running_s=0, cool_down_s=0, max_evictions=10_000)

node_texts = st.builds(
    "{}: {} cpu, {} mem, gpus {}".format,
    st.sampled_from("abc"),
    st.integers(1, 8),
    st.integers(0, 8000),
    st.lists(
        st.sampled_from(["8000", "24000", "24000/9000", "24000x"]), max_size=4
    ).map(lambda sizes: " ".join(sizes) or "0"),
)
model_texts = st.tuples(
    st.integers(1, 4), st.integers(0, 3000), st.integers(0, 3), st.integers(1, 20000),
    st.integers(1, 10), st.integers(1, 3), st.sampled_from(["", ", firm", ", meek"]),
).map(
    lambda m: "{} cpu, {} mem, {} gpus of {}, prio {}, x{}{}".format(*m)
)  # fmt: skip


def started(decided) -> tuple[Run, ...]:
    return tuple(
        Run(
            uid=f"{p.model_id}/{p.replica}",
            model_id=p.model_id,
            replica=p.replica,
            generation=p.generation,
            node=p.node,
            cpu_cores=p.cpu_cores,
            memory_mib=p.memory_mib,
            gpus=dict(p.gpus),
            running_s=3600,
            age=n,
        )
        for n, p in enumerate(decided.placements)
    )


def with_some_running(nodes, models, running, stopping) -> Snapshot:
    seen = snapshot(nodes, [f"m{n}: {text}" for n, text in enumerate(models)])
    first = dataclasses.replace(seen, models=seen.models[:running])
    runs = started(plan(first, POLICY, NOW))
    runs = tuple(
        dataclasses.replace(run, stopping=n in stopping) for n, run in enumerate(runs)
    )
    leaving = {run.model_id for run in runs if run.stopping}
    models = tuple(
        dataclasses.replace(model, wanted=model.id not in leaving)
        for model in seen.models
    )
    return dataclasses.replace(seen, runs=runs, models=models)


pictures = st.builds(
    with_some_running,
    st.lists(node_texts, max_size=3, unique_by=lambda text: text[0]),
    st.lists(model_texts, max_size=8),
    st.integers(0, 8),
    st.sets(st.integers(0, 6), max_size=2),
)


def evictions(decided):
    return [stop for stop in decided.stops if stop.code == "preempted"]


def carried_out(seen: Snapshot, decided) -> Snapshot:
    """Right after: placed runs are there, stopped ones on their way out."""
    leaving = {stop.run_uid for stop in decided.stops}
    runs = [
        dataclasses.replace(run, stopping=run.stopping or run.uid in leaving)
        for run in seen.runs
    ]
    return dataclasses.replace(seen, runs=(*runs, *started(decided)))


def finished(seen: Snapshot) -> Snapshot:
    """Some time later: what was on its way out is gone."""
    return dataclasses.replace(seen, runs=tuple(r for r in seen.runs if not r.stopping))


@given(pictures)
def test_nothing_is_given_twice(seen):
    after = carried_out(seen, plan(seen, POLICY, NOW))
    for node in seen.nodes:
        here = [run for run in after.runs if run.node == node.name]
        assert sum(run.cpu_cores for run in here) <= node.cpu_cores
        assert sum(run.memory_mib for run in here) <= node.memory_mib
        for gpu in node.gpus:
            held = sum(run.gpus.get(gpu.uuid, 0) for run in here)
            assert held <= min(gpu.memory_mib, gpu.free_mib or gpu.memory_mib)
            assert gpu.open or held == 0


@given(pictures)
def test_only_lower_and_preemptible_ones_are_evicted(seen):
    models = {model.id: model for model in seen.models}
    by_name = {model.name: model for model in seen.models}
    runs = {run.uid: run for run in seen.runs}
    for stop in evictions(plan(seen, POLICY, NOW)):
        victim, by = models[runs[stop.run_uid].model_id], by_name[stop.params["by"]]
        assert victim.priority < by.priority
        assert victim.preemptible and by.preempts


@given(pictures)
def test_every_victim_is_needed(seen):
    """Spare any one: then somebody who would start now does not."""
    decided = plan(seen, POLICY, NOW)
    evictors = {stop.params["by"] for stop in evictions(decided)}
    full = started_of(evictors, seen, decided)
    for spared in evictions(decided):
        fewer = dataclasses.replace(
            decided, stops=tuple(s for s in decided.stops if s is not spared)
        )
        assert started_of(evictors, seen, fewer) < full


def started_of(evictors, seen, decided):
    """How many replicas of the evictors start once the stops are through, nobody else
    being evicted for them."""
    after = finished(carried_out(seen, decided))
    peaceful = dataclasses.replace(
        after,
        models=tuple(dataclasses.replace(m, preempts=False) for m in after.models),
    )
    names = {model.id: model.name for model in seen.models}
    placed = plan(peaceful, POLICY, NOW).placements
    return sum(names[p.model_id] in evictors for p in placed)


@given(pictures)
def test_planning_again_after_applying_does_nothing(seen):
    after = carried_out(seen, decided := plan(seen, POLICY, NOW))
    again = plan(after, POLICY, NOW)
    assert (again.placements, again.stops) == ((), ())
    assert again.reasons.keys() == decided.reasons.keys()


@given(pictures)
def test_the_same_picture_gives_the_same_plan(seen):
    shuffled = Snapshot(
        nodes=seen.nodes[::-1], models=seen.models[::-1], runs=seen.runs[::-1]
    )
    one, two = plan(seen, POLICY, NOW), plan(shuffled, POLICY, NOW)
    assert plan(seen, POLICY, NOW) == one
    assert set(one.placements) == set(two.placements)
    assert {s.run_uid for s in one.stops} == {s.run_uid for s in two.stops}


@given(pictures)
def test_every_wanted_model_is_placed_or_explained(seen):
    decided = plan(seen, POLICY, NOW)
    stopped = {stop.run_uid for stop in decided.stops}
    leaving = {run.model_id for run in seen.runs if run.stopping or run.uid in stopped}
    for model in seen.models:
        runs = sum(run.model_id == model.id for run in seen.runs)
        placed = sum(p.model_id == model.id for p in decided.placements)
        if model.wanted and model.id not in leaving:
            assert runs + placed == model.replicas or model.id in decided.reasons


@given(pictures)
def test_what_is_kept_for_one_is_never_given_to_those_after_it(seen):
    """Who waits for room on a machine finds it there once the stops are through,
    whatever was started meanwhile; only one ahead of it may have taken it."""
    decided = plan(seen, POLICY, NOW)
    ranks = {model.id: order(model) for model in seen.models}
    later = plan(finished(carried_out(seen, decided)), POLICY, NOW).placements
    for model_id, reason in decided.reasons.items():
        if reason.code == "making_room":
            there = [p for p in later if p.node == reason.nominated]
            assert any(ranks[p.model_id] <= ranks[model_id] for p in there)


@given(pictures)
def test_nobody_waits_while_a_lower_one_that_it_could_replace_runs(seen):
    """Of the one at the head of the queue: for the others, room may be kept ahead."""
    decided = plan(seen, POLICY, NOW)
    leaving = {stop.run_uid for stop in decided.stops}
    models = {model.id: model for model in seen.models}
    for model_id, reason in decided.reasons.items():
        model = models[model_id]
        if reason.position != 1 or reason.code == "making_room" or not model.preempts:
            continue
        for run in seen.runs:
            victim = models[run.model_id]
            if run.uid not in leaving and not run.stopping and victim.preemptible:
                assert victim.priority >= model.priority or not same_size(run, model)


def same_size(run, model) -> bool:
    """The lower one's exact place would do."""
    return (
        run.cpu_cores >= model.cpu_cores
        and run.memory_mib >= model.memory_mib
        and len(run.gpus) >= model.gpu_count
        and all(mib >= model.gpu_share_mib for mib in run.gpus.values())
        and (not model.gpu_count or bool(run.gpus))
    )
