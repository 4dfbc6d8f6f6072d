"""The planner's greedy choice against an exact solver, on cases small enough for one.

The optimum admits models in the planner's own order of importance: the first one above
all, then the second, and so on (weights that halve make that one integer programme).
"""

import random

from ortools.sat.python import cp_model

from scheduling.planner.plan import order, plan
from scheduling.planner.types import Gpu, Model, Node, Policy, Snapshot
from tests.scheduling.planner.test_properties import applied, finished

NOW = 1000.0
POLICY = Policy(gpu_reserve_mib=0, min_running_s=0, cool_down_s=0)
CASES = 300


def a_case(seed: int) -> Snapshot:
    """Models of usual sizes arrive at once, each of a priority of its own: among
    equals the first is served first, whatever an optimum would make of it."""
    chance = random.Random(seed)
    nodes = tuple(
        Node(
            name=name,
            cpu_cores=chance.choice([8, 16, 32]),
            memory_mib=64_000,
            gpus=tuple(
                Gpu(uuid=f"{name}{n}", index=n, memory_mib=24_000) for n in range(4)
            ),
        )
        for name in "ab"[: chance.randint(1, 2)]
    )
    count = chance.randint(4, 10)
    ranks = chance.sample(range(1, 11), count)
    models = tuple(a_model(chance, n, rank) for n, rank in enumerate(ranks, 1))
    return Snapshot(nodes=nodes, models=models, runs=())


def a_model(chance: random.Random, n: int, priority: int) -> Model:
    count = chance.choices([0, 1, 2, 4], [2, 6, 3, 1])[0]
    share = chance.choice([6_000, 8_000, 12_000, 16_000, 24_000])
    return Model(
        id=n,
        name=f"m{n}",
        wanted=True,
        generation=1,
        priority=priority,
        waiting_since=n,
        replicas=1,
        cpu_cores=chance.choice([1, 2, 4, 8]),
        memory_mib=chance.choice([2_000, 8_000, 16_000]),
        gpu_count=count,
        gpu_memory_mib=count * share,
    )


def settled(seen: Snapshot) -> Snapshot:
    """Tick after tick, until there is nothing left to decide."""
    for _ in range(20):
        decided = plan(seen, POLICY, NOW)
        if not decided.placements and not decided.stops:
            return seen
        seen = finished(applied(seen, decided))
    raise AssertionError("never settles")


def admitted(seen: Snapshot) -> set[int]:
    return {run.model_id for run in settled(seen).runs}


def optimum(seen: Snapshot) -> set[int]:
    solver, model = cp_model.CpSolver(), cp_model.CpModel()
    on = {
        (m.id, node.name): model.new_bool_var("")
        for m in seen.models
        for node in seen.nodes
    }
    uses = {
        (m.id, gpu.uuid): model.new_bool_var("")
        for m in seen.models
        for node in seen.nodes
        for gpu in node.gpus
    }
    for m in seen.models:
        model.add_at_most_one(on[m.id, node.name] for node in seen.nodes)
    for node in seen.nodes:
        here = [(m, on[m.id, node.name]) for m in seen.models]
        model.add(sum(m.cpu_cores * x for m, x in here) <= node.cpu_cores)
        model.add(sum(m.memory_mib * x for m, x in here) <= node.memory_mib)
        for m, x in here:
            model.add(sum(uses[m.id, g.uuid] for g in node.gpus) == m.gpu_count * x)
        for gpu in node.gpus:
            taken = sum(m.gpu_share_mib * uses[m.id, gpu.uuid] for m in seen.models)
            model.add(taken <= gpu.memory_mib)
    ranked = sorted(seen.models, key=order, reverse=True)
    model.maximize(
        sum(
            2**weight * on[m.id, node.name]
            for weight, m in enumerate(ranked)
            for node in seen.nodes
        )
    )
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL
    return {m for (m, _), x in on.items() if solver.value(x)}


def test_greedy_admits_what_the_optimum_admits():
    same = worse_at_the_top = 0
    for seed in range(CASES):
        case = a_case(seed)
        ours, best = admitted(case), optimum(case)
        same += ours == best
        first = min(case.models, key=order).id
        worse_at_the_top += first in best and first not in ours
    assert worse_at_the_top == 0
    assert same >= 0.95 * CASES, f"{same} of {CASES}"
