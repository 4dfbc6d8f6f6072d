import pytest

from runtimes.frameworks.base import Share
from runtimes.preflight.room import (
    Card,
    Wish,
    gpus_finding,
    memory_finding,
    port_finding,
)

SHARE = Share(
    weights_mib=4000, kv_cache_mib=500, overhead_mib=100, prompt_cache_mib=256
)


def cards(*sizes, node="here", **more):
    return [
        Card(label=f"{at} fake", node=node, memory_mib=mib, free_mib=None, **more)
        for at, mib in enumerate(sizes)
    ]


def used(mib, free):
    return Card(label="0 fake", node="here", memory_mib=mib, free_mib=free)


@pytest.mark.parametrize(
    ("free", "replicas", "level"),
    [(1000, 1, "ok"), (2, 2, "ok"), (1, 2, "warning"), (0, 1, "error")],
)
def test_port_for_each_replica(free, replicas, level):
    found = port_finding(21000, 21999, free, replicas)
    assert (found.name, found.level) == ("port", level)
    assert found.message == f"{free} of 1000 are free, 21000 to 21999."
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
def test_memory_is_compared_with_what_is_given_and_there(
    share, taken, given, largest, level
):
    found = memory_finding(share, taken, given, largest)
    assert (found.name, found.level) == ("memory", level)
    assert bool(found.advice) == (level != "ok")


def test_memory_is_told_by_its_parts():
    found = memory_finding(SHARE, 5120, 2048, 65_536)
    assert found.message == (
        "Estimated 4.7 GiB: weights 3.9 GiB, context 500 MiB, the rest 356 MiB. Its"
        " runs have taken up to 5 GiB. 2 GiB are booked for it; the largest machine has"
        " 64 GiB."
    )
    assert found.advice == "Give it 5120 MiB of memory."


@pytest.mark.parametrize(
    ("known", "wish", "level"),
    [
        (cards(24_000, 24_000), (1, 20_000, 0), "ok"),
        (cards(24_000, 24_000), (2, 20_000, 0), "ok"),
        (cards(24_000, 24_000), (2, 20_000, 40_000), "ok"),
        (cards(24_000, 24_000), (2, 20_000, 40_001), "warning"),
        (cards(24_000, 24_000), (2, 20_000, 48_001), "error"),
        (cards(24_000, 24_000), (2, 0, 48_000), "ok"),
        (cards(24_000, 24_000), (2, 0, 48_001), "error"),
        (cards(24_000, 16_000), (2, 20_000, 0), "error"),
        (cards(24_000), (2, 20_000, 0), "error"),
        ([], (1, 0, 0), "error"),
        (cards(24_000, why="Excluded"), (1, 1000, 0), "error"),
        ([used(24_000, 8000)], (1, 8000, 0), "ok"),
        ([used(24_000, 8000)], (1, 8001, 0), "warning"),
        ([used(24_000, 0)], (1, 0, 0), "warning"),
        # All GPUs of a model are in one machine.
        (cards(24_000) + cards(24_000, node="there"), (2, 0, 0), "error"),
        (cards(8000, 8000) + cards(24_000, node="there"), (1, 20_000, 0), "ok"),
    ],
)
def test_gpus_are_compared_with_what_is_wanted(known, wish, level):
    count, mib, needed = wish
    found = gpus_finding(known, Wish(count=count, mib=mib, needed_mib=needed))
    assert (found.name, found.level) == ("gpus", level)
    assert bool(found.advice) == (level != "ok")
    assert "%(" not in found.message


def test_gpus_that_take_nothing_are_told_with_the_reason():
    known = [*cards(24_000), *cards(24_000, why="Excluded")]
    found = gpus_finding(known, Wish(count=2, mib=1000, needed_mib=0))
    assert found.message == (
        "Needs 2 GPUs with 1000 MiB free each; here has 1 such GPUs of 2. 0 fake:"
        " Excluded"
    )
