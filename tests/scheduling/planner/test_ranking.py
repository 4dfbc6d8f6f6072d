import pytest

from scheduling.planner.capacity import Need
from scheduling.planner.ranking import Ranking
from scheduling.planner.sites import Site, sites
from scheduling.planner.types import Policy
from tests.scheduling.notation import model, snapshot

POLICY = Policy(gpu_reserve_mib=0)


class Fixture:
    def __init__(self, nodes):
        case = snapshot(nodes, [])
        self.sites = sites(case.nodes, (), POLICY)
        self.changed = []
        self.ranking = Ranking(
            self.sites, self.changed, lambda site: site.now, Site.now_for
        )

    def first(self, text):
        wanted = model(1, f"m: {text}")
        found = self.ranking.first(Need.of(wanted, POLICY), wanted)
        return found.node.name if found else None

    def take(self, at, text):
        need = Need.of(model(1, f"m: {text}"), POLICY)
        self.sites[at].take(need, self.sites[at].now.choose(need) or ())
        self.changed.append(at)


@pytest.mark.parametrize(
    ("nodes", "text", "first"),
    [
        (["a: 8 cpu", "b: 4 cpu"], "2 cpu", "b"),
        (["a: 8 cpu", "b: 4 cpu"], "2 cpu, spread", "a"),
        (["a: 8 cpu", "b: 4 cpu"], "5 cpu", "a"),
        (["a: 8 cpu", "b: 4 cpu"], "9 cpu", None),
        # Models without GPUs keep off machines that have some.
        (["a: 8 cpu", "b: 4 cpu, gpus 10"], "2 cpu", "a"),
        (["a: gpus 30", "b: gpus 20"], "1 gpu of 10", "b"),
        (["a: gpus 30", "b: gpus 20"], "1 gpu of 10, spread", "a"),
        (["b: 4 cpu", "a: 4 cpu"], "2 cpu", "a"),  # by name among equals
        ([], "1 cpu", None),
    ],
)
def test_first_site_follows_the_placement_policy(nodes, text, first):
    assert Fixture(nodes).first(text) == first


def test_sites_are_filled_one_after_the_other():
    fixture, places = Fixture(["a: 4 cpu", "b: 2 cpu"]), []
    for _ in range(4):
        places.append(fixture.first("2 cpu"))
        if places[-1]:
            fixture.take("ab".index(places[-1]), "2 cpu")
    assert places == ["b", "a", "a", None]


def test_site_that_got_room_back_is_found_again():
    fixture = Fixture(["a: 2 cpu"])
    fixture.take(0, "2 cpu")
    assert fixture.first("1 cpu") is None
    fixture.sites[0].give_back(Need.of(model(1, "m: 2 cpu"), POLICY), [])
    fixture.changed.append(0)
    assert fixture.first("1 cpu") == "a"


def test_reserved_site_is_passed_over_without_a_report():
    fixture = Fixture(["a: 2 cpu", "b: 8 cpu"])
    assert fixture.first("2 cpu") == "a"
    fixture.sites[0].reserve(Need.of(model(2, "o: 2 cpu"), POLICY), (), below=0)
    assert fixture.first("2 cpu") == "b"
