import pytest

from scheduling.planner.state import EXPLAINED, PlanState
from scheduling.planner.types import Policy, Stop
from tests.scheduling.notation import snapshot

NOW = 1000.0
POLICY = Policy(gpu_reserve_mib=0)


def state_of(nodes, models, runs=(), stops=(), policy=POLICY):
    case = snapshot(nodes, models, runs)
    by_id = {m.id: m for m in case.models}
    stops = [Stop(run_uid=uid, code="stopped") for uid in stops]
    return PlanState.of(case, by_id, stops, policy)


def scheduled(state, *ids):
    for model_id in ids:
        state.schedule(state.models[model_id], 0, NOW)
    return state


def places(state):
    return [(p.model_id, p.node) for p in state.placements]


def test_replica_is_placed_where_there_is_room():
    state = scheduled(state_of(["a: 4 cpu"], ["m: 3 cpu"]), 1)
    assert (places(state), state.reasons, state.evictions) == ([(1, "a")], {}, [])
    assert state.index.get("a").now.cpu_cores == 1


def test_replica_that_runs_is_left_alone():
    state = scheduled(state_of(["a: 4 cpu"], ["m: 3 cpu"], ["m/0 on a"]), 1)
    assert (places(state), state.reasons) == ([], {})


def test_replica_whose_run_stops_takes_its_turn_without_a_reason():
    models = ["m: 4 cpu", "n: 2 cpu"]
    state = scheduled(state_of(["a: 4 cpu"], models, ["m/0 on a"], stops=["m0"]), 1, 2)
    assert (places(state), set(state.reasons)) == ([], {2})


@pytest.mark.parametrize(
    ("runs", "code", "nominated"),
    [
        (["o/0 on a stopping"], "making_room", "a"),
        (["o/0 on a"], "insufficient_cpu", "a"),
    ],
)
def test_waiting_model_gets_room_that_is_being_made_or_a_reservation(
    runs, code, nominated
):
    models = ["m: 4 cpu, prio 5", "o: 3 cpu, prio 5", "late: 1 cpu, prio 5"]
    state = scheduled(state_of(["a: 4 cpu"], models, runs), 1, 3)
    assert (state.reasons[1].code, state.reasons[1].nominated) == (code, nominated)
    assert state.reasons[1].position == 1
    assert (places(state), state.reasons[3].position) == ([], 2)


def test_eviction_makes_room_and_stops_the_victim_once():
    models = ["m: 4 cpu, prio 9", "low: 3 cpu, prio 1", "n: 1 cpu, prio 8"]
    state = scheduled(state_of(["a: 4 cpu"], models, ["low/0 on a"]), 1, 3, 2)
    assert [(s.run_uid, s.params["by"]) for s in state.evictions] == [("low0", "m")]
    assert state.reasons[1].code == "making_room"
    assert 2 not in state.reasons  # takes its turn while it stops


def test_evictions_of_one_plan_are_limited():
    models = ["low: 1 cpu, prio 1", "mid: 1 cpu, prio 1"]
    models += ["m: 1 cpu, prio 9", "n: 1 cpu, prio 9"]
    runs = ["low/0 on a", "mid/0 on a"]
    limited = Policy(gpu_reserve_mib=0, max_evictions=1)
    state = scheduled(state_of(["a: 2 cpu"], models, runs, policy=limited), 3, 4)
    assert len(state.evictions) == 1


def test_earlier_placements_move_for_a_later_model():
    nodes = ["a: gpus 20", "b: gpus 10"]
    state = state_of(nodes, ["m: 1 gpu of 10, spread", "n: 1 gpu of 20"])
    assert places(scheduled(state, 1)) == [(1, "a")]
    assert sorted(places(scheduled(state, 2))) == [(1, "b"), (2, "a")]


def test_models_without_machines_wait_for_the_first():
    state = scheduled(state_of([], ["m: 1 cpu"]), 1)
    assert state.reasons[1].code == "no_node"


def test_suggestions_are_limited_to_the_head_of_the_queue():
    count = EXPLAINED + 1
    nodes = [f"n{n}: 4 cpu" for n in range(count + 1)]
    holders = [f"o{n}: 4 cpu" for n in range(count + 1)]
    runs = [f"o{n}/0 on n{n}" for n in range(count + 1)]
    waiting = [f"m{n}: 4 cpu" for n in range(count)]
    state = state_of(nodes, [*holders, *waiting], runs)
    scheduled(state, *range(len(holders) + 1, len(holders) + count + 1))
    offered = [bool(why.suggestions) for why in state.reasons.values()]
    assert offered == [True] * EXPLAINED + [False]
