"""Invariants of plans for random snapshots, in which an earlier plan has placed some of
the models."""

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
    case = snapshot(nodes, [f"m{n}: {text}" for n, text in enumerate(models)])
    first = dataclasses.replace(case, models=case.models[:running])
    runs = started(plan(first, POLICY, NOW))
    runs = tuple(
        dataclasses.replace(run, stopping=n in stopping) for n, run in enumerate(runs)
    )
    leaving = {run.model_id for run in runs if run.stopping}
    models = tuple(
        dataclasses.replace(model, wanted=model.id not in leaving)
        for model in case.models
    )
    return dataclasses.replace(case, runs=runs, models=models)


snapshots = st.builds(
    with_some_running,
    st.lists(node_texts, max_size=3, unique_by=lambda text: text[0]),
    st.lists(model_texts, max_size=8),
    st.integers(0, 8),
    st.sets(st.integers(0, 6), max_size=2),
)


def evictions(decided):
    return [stop for stop in decided.stops if stop.code == "preempted"]


def applied(case: Snapshot, decided) -> Snapshot:
    """Right afterwards: placed runs exist, stopped runs are stopping."""
    leaving = {stop.run_uid for stop in decided.stops}
    runs = [
        dataclasses.replace(run, stopping=run.stopping or run.uid in leaving)
        for run in case.runs
    ]
    return dataclasses.replace(case, runs=(*runs, *started(decided)))


def finished(case: Snapshot) -> Snapshot:
    """Some time later: stopping runs have ended."""
    return dataclasses.replace(case, runs=tuple(r for r in case.runs if not r.stopping))


@given(snapshots)
def test_nothing_is_booked_twice(case):
    after = applied(case, plan(case, POLICY, NOW))
    for node in case.nodes:
        here = [run for run in after.runs if run.node == node.name]
        assert sum(run.cpu_cores for run in here) <= node.cpu_cores
        assert sum(run.memory_mib for run in here) <= node.memory_mib
        for gpu in node.gpus:
            held = sum(run.gpus.get(gpu.uuid, 0) for run in here)
            assert held <= min(gpu.memory_mib, gpu.free_mib or gpu.memory_mib)
            assert gpu.open or held == 0


@given(snapshots)
def test_only_lower_preemptible_runs_are_evicted(case):
    models = {model.id: model for model in case.models}
    by_name = {model.name: model for model in case.models}
    runs = {run.uid: run for run in case.runs}
    for stop in evictions(plan(case, POLICY, NOW)):
        victim, by = models[runs[stop.run_uid].model_id], by_name[stop.params["by"]]
        assert victim.priority < by.priority
        assert victim.preemptible and by.preempts


@given(snapshots)
def test_every_victim_is_needed(case):
    """Without any one eviction, fewer replicas would start."""
    decided = plan(case, POLICY, NOW)
    evictors = {stop.params["by"] for stop in evictions(decided)}
    full = started_of(evictors, case, decided)
    for spared in evictions(decided):
        fewer = dataclasses.replace(
            decided, stops=tuple(s for s in decided.stops if s is not spared)
        )
        assert started_of(evictors, case, fewer) < full


def started_of(evictors, case, decided):
    """How many replicas of the evicting models start after the stops, without further
    evictions."""
    after = finished(applied(case, decided))
    peaceful = dataclasses.replace(
        after,
        models=tuple(dataclasses.replace(m, preempts=False) for m in after.models),
    )
    names = {model.id: model.name for model in case.models}
    placed = plan(peaceful, POLICY, NOW).placements
    return sum(names[p.model_id] in evictors for p in placed)


@given(snapshots)
def test_planning_again_after_applying_does_nothing(case):
    after = applied(case, decided := plan(case, POLICY, NOW))
    again = plan(after, POLICY, NOW)
    assert (again.placements, again.stops) == ((), ())
    assert again.reasons.keys() == decided.reasons.keys()


@given(snapshots)
def test_the_same_snapshot_gives_the_same_plan(case):
    shuffled = Snapshot(
        nodes=case.nodes[::-1], models=case.models[::-1], runs=case.runs[::-1]
    )
    one, two = plan(case, POLICY, NOW), plan(shuffled, POLICY, NOW)
    assert plan(case, POLICY, NOW) == one
    assert set(one.placements) == set(two.placements)
    assert {s.run_uid for s in one.stops} == {s.run_uid for s in two.stops}


@given(snapshots)
def test_every_wanted_model_is_placed_or_explained(case):
    decided = plan(case, POLICY, NOW)
    stopped = {stop.run_uid for stop in decided.stops}
    leaving = {run.model_id for run in case.runs if run.stopping or run.uid in stopped}
    for model in case.models:
        runs = sum(run.model_id == model.id for run in case.runs)
        placed = sum(p.model_id == model.id for p in decided.placements)
        if model.wanted and model.id not in leaving:
            assert runs + placed == model.replicas or model.id in decided.reasons


@given(snapshots)
def test_reserved_room_is_never_given_to_models_further_back(case):
    """A model that waits for room on a machine gets it after the stops, unless a model
    further ahead takes it."""
    decided = plan(case, POLICY, NOW)
    ranks = {model.id: order(model) for model in case.models}
    later = plan(finished(applied(case, decided)), POLICY, NOW).placements
    for model_id, reason in decided.reasons.items():
        if reason.code == "making_room":
            there = [p for p in later if p.node == reason.nominated]
            assert any(ranks[p.model_id] <= ranks[model_id] for p in there)


@given(snapshots)
def test_first_model_in_the_queue_evicts_any_run_it_could_replace(case):
    """For models further back, room may be reserved."""
    decided = plan(case, POLICY, NOW)
    leaving = {stop.run_uid for stop in decided.stops}
    models = {model.id: model for model in case.models}
    for model_id, reason in decided.reasons.items():
        model = models[model_id]
        if reason.position != 1 or reason.code == "making_room" or not model.preempts:
            continue
        for run in case.runs:
            victim = models[run.model_id]
            if run.uid not in leaving and not run.stopping and victim.preemptible:
                assert victim.priority >= model.priority or not same_size(run, model)


def same_size(run, model) -> bool:
    """The room of the run is enough for the model."""
    return (
        run.cpu_cores >= model.cpu_cores
        and run.memory_mib >= model.memory_mib
        and len(run.gpus) >= model.gpu_count
        and all(mib >= model.gpu_share_mib for mib in run.gpus.values())
        and (not model.gpu_count or bool(run.gpus))
    )
