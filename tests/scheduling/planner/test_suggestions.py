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


def contexts_for(node, model, contexts, others=(), runs=(), history=None):
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
    ("gpu", "expected"),
    [
        ("9999", offered(8192, 8_000, 0, 16384)),
        ("8000", offered(8192, 8_000, 0, 16384)),
        ("7999", offered(4096, 7_000, 0, 16384)),
        ("24000/6600", offered(2048, 6_500, 0, 16384)),
        ("6499", []),
        ("24000x", []),
    ],
)
def test_largest_context_that_fits_now_is_suggested(gpu, expected):
    found = contexts_for(f"a: 4 cpu, gpus {gpu}", "1 gpu of 10000", ON_GPU)
    assert found == expected


def test_context_must_fit_on_each_gpu():
    node = "a: 4 cpu, gpus 4500 4500"
    assert contexts_for(node, "2 gpus of 5000", ON_GPU) == offered(
        8192, 8_000, 0, 16384
    )


@pytest.mark.parametrize(
    ("memory", "expected"),
    [(4500, offered(2048, 0, 4_000, 4096)), (3600, offered(1024, 0, 3_500, 4096)),
     (3000, [])],
)  # fmt: skip
def test_context_must_fit_into_memory_as_well(memory, expected):
    assert (
        contexts_for(f"a: 4 cpu, {memory} mem", "1 cpu, 5000 mem", ON_HOST) == expected
    )


@pytest.mark.parametrize("model", ["9 cpu, 1 gpu of 10000", "1 gpu of 10000, pin b0"])
def test_no_context_is_suggested_for_other_shortages(model):
    assert contexts_for("a: 4 cpu, gpus 9000", model, ON_GPU) == []


def test_reserved_room_is_not_suggested():
    others = ["high: 1 gpu of 12000, prio 9", "low: 1 gpu of 12000, prio 9, firm"]
    found = contexts_for(
        "a: 4 cpu, gpus 20000",
        "1 gpu of 10000, firm",
        ON_GPU,
        others,
        ["low/0 on a a0"],
    )
    assert found == []


def test_context_that_ran_out_of_memory_is_not_suggested_again():
    ran_out = EndedRun(
        code="out_of_gpu_memory",
        gpu_room_mib=8_100,
        ended=1.0,
        served_s=0,
        retry=Retry.MORE_GPU_MEMORY,
    )
    others = ["o: 1 gpu of 15800"], ["o/0 on a a0"]
    case = ("a: 4 cpu, gpus 24000", "1 gpu of 10000", ON_GPU, *others)
    assert contexts_for(*case) != []
    assert contexts_for(*case, history={"m": {0: (ran_out,)}}) == []
