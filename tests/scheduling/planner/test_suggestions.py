from dataclasses import replace

import pytest

from common.enums import Retry
from scheduling.planner.backoff import EndedRun
from scheduling.planner.plan import plan
from scheduling.planner.types import Context, Policy, Suggestion
from tests.scheduling.notation import snapshot

NOW = 1000.0
POLICY = Policy(gpu_reserve_mib=0, gpu_step_mib=256)
ON_GPU = (
    Context(16384, 10_000, 0),
    Context(8192, 8_000, 0),
    Context(4096, 7_000, 0),
    Context(2048, 6_500, 0),
)
ON_HOST = (Context(4096, 0, 5_000), Context(2048, 0, 4_000), Context(1024, 0, 3_500))


def helps_of(node, model, contexts, others=(), runs=(), history=None):
    """Of the first model, m."""
    seen = snapshot([node], [f"m: {model}", *others], runs, history)
    first, *rest = seen.models
    seen = replace(seen, models=(replace(first, contexts=contexts), *rest))
    return [
        h for h in plan(seen, POLICY, NOW).reasons[1].suggestions if h.action == "n_ctx"
    ]


def offered(to, gpu_memory_mib, memory_mib, today):
    sizes = {"gpu_memory_mib": gpu_memory_mib, "memory_mib": memory_mib}
    return [Suggestion(action="n_ctx", params={"from": today, "to": to, **sizes})]


@pytest.mark.parametrize(
    ("gpu", "help"),
    [
        ("9999", offered(8192, 8_000, 0, 16384)),
        ("8000", offered(8192, 8_000, 0, 16384)),
        ("7999", offered(4096, 7_000, 0, 16384)),
        ("24000/6600", offered(2048, 6_500, 0, 16384)),
        ("6499", []),
        ("24000x", []),
    ],
)
def test_largest_context_that_fits_now_is_offered(gpu, help):
    found = helps_of(f"a: 4 cpu, gpus {gpu}", "1 gpu of 10000", ON_GPU)
    assert found == help


def test_context_counts_for_each_of_several_gpus():
    node = "a: 4 cpu, gpus 4500 4500"
    assert helps_of(node, "2 gpus of 5000", ON_GPU) == offered(8192, 8_000, 0, 16384)


@pytest.mark.parametrize(
    ("memory", "help"),
    [(4500, offered(2048, 0, 4_000, 4096)), (3600, offered(1024, 0, 3_500, 4096)),
     (3000, [])],
)  # fmt: skip
def test_memory_of_the_machine_counts_too(memory, help):
    assert helps_of(f"a: 4 cpu, {memory} mem", "1 cpu, 5000 mem", ON_HOST) == help


@pytest.mark.parametrize("model", ["9 cpu, 1 gpu of 10000", "1 gpu of 10000, pin b0"])
def test_no_context_helps_against_another_shortage(model):
    assert helps_of("a: 4 cpu, gpus 9000", model, ON_GPU) == []


def test_room_that_is_kept_for_others_is_not_offered():
    others = ["high: 1 gpu of 12000, prio 9", "low: 1 gpu of 12000, prio 9, firm"]
    found = helps_of(
        "a: 4 cpu, gpus 20000",
        "1 gpu of 10000, firm",
        ON_GPU,
        others,
        ["low/0 on a a0"],
    )
    assert found == []


def test_where_memory_ran_out_a_smaller_context_is_not_tried_in_vain():
    ran_out = EndedRun(
        code="out_of_gpu_memory",
        gpu_room_mib=8_100,
        ended=1.0,
        served_s=0,
        retry=Retry.MORE_GPU_MEMORY,
    )
    others = ["o: 1 gpu of 15800"], ["o/0 on a a0"]
    case = ("a: 4 cpu, gpus 24000", "1 gpu of 10000", ON_GPU, *others)
    assert helps_of(*case) != []
    assert helps_of(*case, history={"m": {0: (ran_out,)}}) == []
