import pytest

from scheduling.planner.backoff import EndedRun
from scheduling.planner.plan import plan
from scheduling.planner.queue import queue
from scheduling.planner.types import Policy
from tests.scheduling.notation import snapshot

NOW = 1000.0
POLICY = Policy(gpu_reserve_mib=0)
CRASHED = {0: (EndedRun(code="crashed", ended=NOW - 1, served_s=0),)}


@pytest.mark.parametrize(
    ("models", "runs", "order"),
    [
        (["m: 2 cpu"], [], []),
        (["m: 2 cpu"], ["m/0 on a"], []),
        (["m: 2 cpu", "n: 2 cpu"], ["m/0 on a"], [(1, "n")]),
        (
            ["m: 2 cpu", "n: 2 cpu, prio 2", "o: 2 cpu, prio 4"],
            ["m/0 on a"],
            [(1, "o"), (2, "n")],
        ),
        (["m: 9 cpu"], [], [(1, "m")]),
        (["m: 1 cpu, x3"], ["m/0 on a", "m/1 on a"], [(1, "m")]),
        (["m: 2 cpu, stopped"], [], []),
    ],
)
def test_queue_is_ordered_by_position(models, runs, order):
    case = snapshot(["a: 2 cpu"], models, runs)
    found = queue(case, plan(case, POLICY, NOW), {})
    assert [(w.position, w.model.name) for w in found] == order


def test_models_in_back_off_are_not_in_the_queue():
    case = snapshot(["a: 2 cpu"], ["m: 1 cpu"], history={"m": CRASHED})
    decided = plan(case, POLICY, NOW)
    assert [reason.status for reason in decided.reasons.values()] == ["error"]
    assert queue(case, decided, {}) == []


def test_queue_has_display_names():
    case = snapshot([], ["m: 1 cpu", "n: 1 cpu"])
    found = queue(case, plan(case, POLICY, NOW), {1: "Em"})
    assert [w.display_name for w in found] == ["Em", ""]


@pytest.mark.parametrize(("model", "machine"), [("n: 2 cpu", "a"), ("n: 9 cpu", "")])
def test_queue_names_the_reserved_machine(model, machine):
    case = snapshot(["a: 2 cpu"], ["m: 2 cpu", model], ["m/0 on a"])
    [waiting] = queue(case, plan(case, POLICY, NOW), {})
    assert waiting.machine == machine
