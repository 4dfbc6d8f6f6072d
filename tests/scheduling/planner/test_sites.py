import pytest

from scheduling.planner.capacity import Need
from scheduling.planner.sites import sites
from scheduling.planner.types import Policy
from tests.scheduling.notation import model, snapshot

POLICY = Policy(gpu_reserve_mib=100)


def one_site(node_text, models=(), runs=()):
    case = snapshot([node_text], models, runs)
    [site] = sites(case.nodes, case.runs, POLICY)
    return site


def need(text):
    return Need.of(model(9, f"m: {text}"), POLICY)


@pytest.mark.parametrize(
    ("gpu", "run", "free"),
    [
        ("1000", None, 900),
        ("1000/300", None, 200),  # foreign processes count
        ("1000", "m/0 on a a0", 500),
        ("1000/1000", "m/0 on a a0", 500),  # booked, not taken yet
        ("1000/600", "m/0 on a a0 taken", 500),
        ("1000/500", "m/0 on a a0 taken", 400),
        ("1000/900", "m/0 on a a0 uses 100", 500),
        ("1000/400", "m/0 on a a0 uses 600", 300),  # more than it booked
    ],
)
def test_free_gpu_memory_is_the_smaller_of_unbooked_and_measured(gpu, run, free):
    site = one_site(f"a: gpus {gpu}", ["m: 1 gpu of 400"], [run] if run else [])
    assert site.now.gpus == {"a0": free}


@pytest.mark.parametrize("mark", ["x", "d", "l", "u"])
def test_closed_gpus_are_left_out(mark):
    assert one_site(f"a: gpus 1000{mark} 1000").now.gpus == {"a1": 900}


def test_later_counts_stopping_runs_as_gone_and_empty_all_of_them():
    site = one_site(
        "a: 8 cpu", ["m: 2 cpu", "n: 3 cpu"], ["m/0 on a stopping", "n/0 on a"]
    )
    rooms = (site.now, site.later, site.empty)
    assert [room.cpu_cores for room in rooms] == [3, 5, 8]
    assert [run.uid for run in site.runs] == ["n0"]


def test_runs_of_other_machines_do_not_count():
    case = snapshot(["a: 8 cpu", "b: 8 cpu"], ["m: 2 cpu"], ["m/0 on b"])
    free = {s.node.name: s.now.cpu_cores for s in sites(case.nodes, case.runs, POLICY)}
    assert free == {"a": 8, "b": 6}


def test_nominated_room_is_taken_later_and_withheld_now():
    site = one_site("a: 8 cpu", ["m: 6 cpu"], ["m/0 on a stopping"])
    site.nominate(need("7 cpu"))
    assert (site.now.cpu_cores, site.later.cpu_cores) == (0, 1)


@pytest.mark.parametrize(
    ("other", "free"),
    [
        ("1 cpu, prio 5", 3),
        ("1 cpu, prio 4", 8),  # can be evicted for the reservation
        ("1 cpu, prio 4, firm", 3),
        ("1 cpu, prio 9", 3),
    ],
)
def test_reserved_room_is_lent_only_to_models_that_can_be_evicted(other, free):
    site = one_site("a: 8 cpu")
    site.reserve(need("5 cpu"), (), below=5)
    candidate = model(1, f"o: {other}")
    assert site.is_reserved_from(candidate) == (free == 3)
    assert site.now_for(candidate).cpu_cores == free
    assert site.later_for(candidate).cpu_cores == free
    assert site.lack(need("4 cpu"), candidate).met_by([]) == (free == 8)


def test_reservations_of_one_site_add_up_and_the_lowest_bound_counts():
    site = one_site("a: 8 cpu")
    site.reserve(need("2 cpu"), (), below=7)
    site.reserve(need("3 cpu"), (), below=4)
    assert site.now_for(model(1, "o: 1 cpu, prio 4")).cpu_cores == 3
    assert site.now_for(model(1, "o: 1 cpu, prio 3")).cpu_cores == 8


def test_unreserved_room_follows_changes():
    site, other = one_site("a: 8 cpu"), model(1, "o: 1 cpu, prio 9")
    site.reserve(need("2 cpu"), (), below=0)
    assert site.now_for(other).cpu_cores == 6
    site.take(need("1 cpu"), [])
    assert site.now_for(other).cpu_cores == 5
    site.give_back(need("1 cpu"), [])
    assert site.now_for(other).cpu_cores == 6
