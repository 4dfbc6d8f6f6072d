import pytest

from scheduling.planner.capacity import Need
from scheduling.planner.preemption import Search
from scheduling.planner.site_index import SiteIndex
from scheduling.planner.types import Policy
from tests.scheduling.notation import model, snapshot

POLICY = Policy(gpu_reserve_mib=0)


def index(nodes, models=(), runs=()):
    case = snapshot(nodes, models, runs)
    search = Search({m.id: m for m in case.models}, POLICY)
    return SiteIndex.of(case.nodes, case.runs, POLICY, search)


def need_of(text):
    wanted = model(9, f"m: {text}")
    return Need.of(wanted, POLICY), wanted


def names(sites):
    return [site.node.name for site in sites]


def test_sites_are_found_by_name():
    found = index(["a: 4 cpu", "b: 8 cpu"])
    assert found.get("b").node.cpu_cores == 8


@pytest.mark.parametrize(
    ("text", "able"),
    [("4 cpu", ["a", "b"]), ("5 cpu", ["b"]), ("9 cpu", []), ("1 gpu of 1", [])],
)
def test_able_sites_are_large_enough_without_our_runs(text, able):
    found = index(["a: 4 cpu", "b: 8 cpu"], ["o: 8 cpu"], ["o/0 on b"])
    assert names(found.able(need_of(text)[0])) == able


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("2 cpu", "a"),  # the fullest that has room
        ("2 cpu, spread", "b"),
        ("4 cpu", "b"),
        ("9 cpu", None),
    ],
)
def test_first_site_with_room_now(text, first):
    found = index(["a: 4 cpu", "b: 8 cpu"], ["o: 2 cpu"], ["o/0 on a"])
    site = found.by_now.first(*need_of(text))
    assert (site.node.name if site else None) == first


def test_changed_site_is_ranked_again():
    found = index(["a: 4 cpu", "b: 8 cpu"])
    need, wanted = need_of("3 cpu")
    assert found.by_now.first(need, wanted).node.name == "a"
    found.get("a").take(need, [])
    found.mark_changed(found.get("a"))
    assert found.by_now.first(need, wanted).node.name == "b"


def test_nearest_takes_turns_starting_with_the_site_that_lacks_least():
    found = index(
        ["a: 4 cpu", "b: 8 cpu", "c: 2 cpu"],
        ["o: 4 cpu, prio 9", "p: 6 cpu, prio 9"],
        ["o/0 on a", "p/0 on b"],
    )
    need, wanted = need_of("4 cpu, prio 5")
    assert names(found.nearest(need, wanted) for _ in range(3)) == ["b", "a", "b"]


def test_nearest_counts_lower_runs_as_gone():
    found = index(
        ["a: 4 cpu", "b: 8 cpu"],
        ["low: 4 cpu, prio 1", "high: 6 cpu, prio 9"],
        ["low/0 on a", "high/0 on b"],
    )
    assert found.nearest(*need_of("4 cpu, prio 5")).node.name == "a"


def test_nearest_is_none_where_no_site_is_able():
    assert index(["a: 4 cpu"]).nearest(*need_of("5 cpu")) is None
    assert index([]).nearest(*need_of("1 cpu")) is None


def test_room_without_lower_runs_is_computed_again_after_a_change():
    found = index(["a: 8 cpu"], ["low: 3 cpu, prio 1"], ["low/0 on a"])
    need, wanted = need_of("1 cpu, prio 5")
    site = found.get("a")
    assert found.without_lower(site, wanted).cpu_cores == 8
    assert found.without_lower(site, model(8, "o: 1 cpu, prio 1")).cpu_cores == 5
    site.take(need, [])
    found.mark_changed(site)
    assert found.without_lower(site, wanted).cpu_cores == 7


def test_shortage_is_that_of_the_site_that_lacks_least_now():
    found = index(["a: 4 cpu", "b: 8 cpu"])
    why = found.shortage(need_of("16 cpu")[0])
    assert (why.code, why.params["node"]) == ("insufficient_cpu", "b")
