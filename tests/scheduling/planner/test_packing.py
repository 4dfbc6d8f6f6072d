import pytest

from scheduling.planner.capacity import Need
from scheduling.planner.packing import pack
from scheduling.planner.sites import sites
from scheduling.planner.types import Policy
from tests.scheduling.notation import model, snapshot

POLICY = Policy(gpu_reserve_mib=0)


def packed(nodes, needs, steps=2000):
    rooms = [site.now for site in sites(snapshot(nodes, []).nodes, (), POLICY)]
    wanted = [Need.of(model(n, f"m: {text}"), POLICY) for n, text in enumerate(needs)]
    before = [(room.cpu_cores, room.memory_mib, dict(room.gpus)) for room in rooms]
    spots = pack(wanted, rooms, steps)
    after = [(room.cpu_cores, room.memory_mib, room.gpus) for room in rooms]
    assert after == before
    return spots and [" ".join([room.node.name, *gpus]) for room, gpus in spots]


@pytest.mark.parametrize(
    ("nodes", "needs", "spots"),
    [
        (["a: 4 cpu"], ["2 cpu", "2 cpu"], ["a", "a"]),
        (["a: 4 cpu"], ["2 cpu", "3 cpu"], None),
        # The small one on the large machine would leave no room for the large one.
        (["a: 4 cpu", "b: 2 cpu"], ["2 cpu", "4 cpu"], ["b", "a"]),
        (["a: gpus 20 10"], ["1 gpu of 10", "1 gpu of 20"], ["a a1", "a a0"]),
        (["a: gpus 10 10"], ["2 gpus of 5", "1 gpu of 5"], ["a a0 a1", "a a0"]),
        (["a: gpus 10 10"], ["2 gpus of 5", "1 gpu of 6"], None),
        (["a: gpus 20 20"], ["1 gpu of 20, pin a0", "1 gpu of 9"], ["a a0", "a a1"]),
        (["a: gpus 10", "b: gpus 10"], ["2 gpus of 1"], None),
        ([], ["1 cpu"], None),
        (["a: 1 cpu"], [], []),
    ],
)
def test_spots_fit_together_and_rooms_stay_as_they_were(nodes, needs, spots):
    assert packed(nodes, needs) == spots


def test_search_gives_up_after_its_steps():
    needs = ["3 cpu"] * 6
    assert packed(["a: 9 cpu", "b: 9 cpu"], needs, steps=6) is not None
    assert packed(["a: 9 cpu", "b: 9 cpu"], needs, steps=5) is None
