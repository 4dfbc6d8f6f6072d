import pytest

from runtimes.frameworks.base import Share
from runtimes.preflight.sizes import (
    gpu_memory_finding,
    memory_finding,
    port_finding,
)

SHARE = Share(
    weights_mib=4000, kv_cache_mib=500, overhead_mib=100, prompt_cache_mib=256
)


@pytest.mark.parametrize(
    ("free", "replicas", "level"),
    [(1000, 1, "ok"), (2, 2, "ok"), (1, 2, "warning"), (0, 1, "error")],
)
def test_port_for_each_replica(free, replicas, level):
    found = port_finding(21000, 21999, free, replicas)
    assert (found.name, found.level) == ("port", level)
    assert found.message == f"{free} of 1000 ports from 21000 to 21999 are free."
    assert bool(found.advice) == (level != "ok")


@pytest.mark.parametrize(
    ("share", "taken", "given", "largest", "level"),
    [
        (None, 0, 0, 64_000, "ok"),
        (None, 0, 9000, 64_000, "ok"),
        (None, 9001, 9000, 64_000, "warning"),
        (None, 9001, 0, 9000, "error"),
        (SHARE, 0, 0, 64_000, "ok"),
        (SHARE, 0, 4856, 64_000, "ok"),
        (SHARE, 0, 4855, 64_000, "warning"),
        (SHARE, 5000, 4856, 64_000, "warning"),
        (SHARE, 0, 0, 4600, "ok"),  # all but what fills as it is used
        (SHARE, 0, 0, 4599, "error"),
        (SHARE, 0, 9000, 4599, "error"),
    ],
)
def test_memory_is_compared_with_the_allocation_and_the_machines(
    share, taken, given, largest, level
):
    found = memory_finding(share, taken, given, largest)
    assert (found.name, found.level) == ("memory", level)
    assert bool(found.advice) == (level != "ok")


def test_memory_message_lists_its_parts():
    found = memory_finding(SHARE, 5120, 2048, 65_536)
    assert found.message == (
        "Estimated 4.7 GiB: weights 3.9 GiB, context 500 MiB, other 356 MiB. Its"
        " runs have used up to 5 GiB. 2 GiB are allocated to it; the largest machine"
        " has 64 GiB."
    )
    assert found.advice == "Set its memory to 5120 MiB."


@pytest.mark.parametrize(
    ("count", "booked", "needed", "level"),
    [
        (1, 0, 0, "ok"),
        (1, 20_000, 0, "ok"),
        (2, 40_000, 40_000, "ok"),
        (2, 40_000, 40_001, "warning"),
        (2, 40_000, 48_001, "error"),
        (2, 0, 48_000, "ok"),
        (2, 0, 48_001, "error"),
    ],
)
def test_gpu_memory_is_compared_with_the_allocation_and_the_gpus(
    count, booked, needed, level
):
    found = gpu_memory_finding(count, booked, needed, 24_000)
    assert (found.name, found.level) == ("gpus", level)
    assert bool(found.advice) == (level != "ok")


def test_gpu_memory_is_shown_in_readable_units():
    found = gpu_memory_finding(2, 2048, 5120, 24_000)
    assert found.message == "GPUs: 2; needs 5 GiB, allocated 2 GiB"
    assert found.advice == "Set its GPU memory to 5120 MiB."
