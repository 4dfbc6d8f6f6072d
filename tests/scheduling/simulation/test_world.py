import math
import re
from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from scheduling.planner.types import Node, Policy, Run
from scheduling.simulation.scenario import Rates, Scale, quantile
from scheduling.simulation.world import HOUR_S, World, is_overbooked, simulate

CALM = Rates(
    wanted_h=math.inf, crash_h=math.inf, gpu_loss_h=math.inf, flaky=0, drain_s=(1, 5)
)
ROUGH = Rates(wanted_h=1, unwanted_h=0.5, crash_h=1, gpu_loss_h=10, flaky=0.1)
SMALL = Scale(nodes=2, gpus_per_node=4, models=24, hours=4, seed=1)


def no_time() -> float:
    return 0.0


def a_world(scale: Scale, rates: Rates) -> World:
    return World(scale, rates, no_time, Policy())


def test_same_seed_gives_same_figures():
    first, again = (simulate(SMALL, ROUGH, no_time) for _ in range(2))
    assert first == again
    other = simulate(replace(SMALL, seed=2), ROUGH, no_time)
    assert other != first


@pytest.mark.parametrize("seed", range(6))
def test_invariants_hold_in_rough_conditions(seed):
    """A violated invariant raises; the figures show that there were failures."""
    figures = simulate(replace(SMALL, seed=seed), ROUGH, no_time)
    assert figures.restarts > 0
    assert figures.gpus_lost > 0
    assert figures.evictions > 0
    assert 0 < figures.utilisation <= 1


@pytest.mark.parametrize(
    ("cpu_cores", "memory_mib", "wrong"),
    [(2, 100, False), (3, 100, True), (2, 101, True)],
)
def test_overbooked_machine_is_detected(cpu_cores, memory_mib, wrong):
    node = Node(name="a", cpu_cores=4, memory_mib=200)
    run = Run(
        uid="r", model_id=1, replica=0, generation=1, node="a",
        cpu_cores=cpu_cores, memory_mib=memory_mib,
    )  # fmt: skip
    assert is_overbooked(node, [run, run]) is wrong


def test_higher_priorities_wait_less_under_load():
    scale = Scale(nodes=2, gpus_per_node=8, models=80, hours=6, seed=3)
    waits = simulate(scale, replace(CALM, wanted_h=3), no_time).waits

    def mean(priorities) -> float:
        seconds = [s for priority in priorities for s in waits[priority]]
        return sum(seconds) / len(seconds)

    assert mean([8, 9, 10]) < mean([4, 5, 6, 7]) < mean([1, 2, 3])


def test_all_started_models_run_when_there_is_room():
    world = a_world(Scale(nodes=6, gpus_per_node=8, models=20, hours=2, seed=5), CALM)
    world.run_until(2 * HOUR_S)
    wanted = {
        (model.id, replica)
        for model in world.models.values()
        for replica in range(model.replicas)
    }
    running = {slot for slot, engine in world.engines.items() if engine.ready}
    assert running == wanted
    assert world.figures.evictions == 0
    assert {s for waits in world.figures.waits.values() for s in waits} == {0}


def test_runs_of_a_lost_gpu_move_elsewhere():
    world = a_world(Scale(nodes=6, gpus_per_node=8, models=20, hours=2, seed=5), CALM)
    world.run_until(2 * HOUR_S)
    before = {slot: engine.run for slot, engine in world.engines.items()}
    node, lost = next((run.node, uuid) for run in before.values() for uuid in run.gpus)
    on_it = {slot for slot, run in before.items() if lost in run.gpus}
    world.rates = replace(CALM, gpu_repair_h=10)
    world.lose_gpu(node, lost)
    world.run_until(2 * HOUR_S + 300)
    after = dict(world.engines)
    assert after.keys() == before.keys()
    assert all(after[slot].ready and lost not in after[slot].run.gpus for slot in on_it)
    assert {s for s in after if after[s].run.uid != before[s].uid} == on_it


def test_engine_that_never_becomes_ready_is_given_up():
    world = a_world(replace(SMALL, models=1), replace(CALM, flaky=1))
    world.run_until(2 * HOUR_S)
    assert world.figures.given_up == {0}
    assert world.figures.restarts == Policy().back_off.max_attempts - 1
    assert world.engines == {}


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, 0),
        ([3, 1, 2], 0.5, 2),
        ([1, 2], 0.5, 1),
        (list(range(1, 21)), 0.95, 19),
    ],
)
def test_quantile_is_one_of_the_values(values, share, expected):
    assert quantile(values, share) == expected


def printed(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("simulate", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_command_output_is_reproducible_except_planner_times():
    sizes = ("--nodes=1", "--models=10", "--hours=2", "--seed=7")
    first, again = printed(*sizes), printed(*sizes)
    assert first[:-1] == again[:-1]
    assert re.match(r"GPU utilisation: \d+\.\d %$", first[0])
    assert re.match(r"Planner: \d+ plans; median [\d.]+ ms, p95 ", first[-1])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--nodes=0", "--nodes must be between 1 and 2000, not 0."),
        ("--gpus-per-node=17", "--gpus-per-node must be between 1 and 16, not 17."),
        ("--models=-1", "--models must be between 1 and 50000, not -1."),
        ("--hours=nan", "--hours must be between 0.1 and 8760, not nan."),
        ("--seed=-1", "--seed must be between 0 and 4294967295, not -1."),
    ],
)
def test_command_rejects_values_out_of_range(argument, message):
    with pytest.raises(CommandError, match=re.escape(message)):
        printed(argument)
