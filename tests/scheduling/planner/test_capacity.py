import pytest

from scheduling.planner.capacity import (
    Lack,
    Need,
    Reservation,
    Room,
    missing_share,
    placement,
    shortage,
    sums,
)
from scheduling.planner.types import Policy, Run
from tests.scheduling.notation import model, node

POLICY = Policy(gpu_step_mib=512)


def need(text: str, more_than_mib: int = 0) -> Need:
    return Need.of(model(1, f"m: {text}"), POLICY, more_than_mib)


def room(cpu=8, mem=1000, **gpus) -> Room:
    machine = node(f"a: {cpu} cpu, {mem} mem")
    return Room(machine, cpu, mem, gpus)


def run(cpu=0, mem=0, **gpus) -> Run:
    return Run(
        uid="r", model_id=1, replica=0, generation=1, node="a",
        cpu_cores=cpu, memory_mib=mem, gpus=gpus,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "more_than", "share", "least"),
    [
        ("1 gpu of 100", 0, 100, 100),
        ("2 gpus of 100", 0, 100, 100),
        ("1 gpu of 0", 0, 0, 1),
        ("1 gpu of 100", 90, 100, 602),
        ("1 gpu of 900", 90, 900, 900),
        ("1 cpu", 0, 0, 1),
    ],
)
def test_need_knows_its_share_and_the_least_that_must_be_free(
    text, more_than, share, least
):
    found = need(text, more_than)
    assert (found.gpu_share_mib, found.gpu_least_mib) == (share, least)


@pytest.mark.parametrize(
    ("text", "gpus", "chosen"),
    [
        ("2 cpu", {}, ()),
        ("9 cpu", {}, None),
        ("1001 mem", {}, None),
        ("1 gpu of 10", {}, None),
        ("1 gpu of 10", {"g0": 30, "g1": 20, "g2": 9}, ("g1",)),  # fullest first
        ("1 gpu of 10, spread", {"g0": 30, "g1": 20}, ("g0",)),
        ("2 gpus of 10", {"g0": 30, "g1": 20, "g2": 10}, ("g2", "g1")),
        ("2 gpus of 10", {"g0": 30, "g1": 9}, None),
        ("1 gpu of 10, pin g0", {"g0": 30, "g1": 20}, ("g0",)),
        ("1 gpu of 10, pin g0", {"g0": 9, "g1": 20}, None),
    ],
)
def test_room_chooses_gpus(text, gpus, chosen):
    assert room(**gpus).choose(need(text)) == chosen


def test_room_gives_back_what_it_took():
    space, wanted = room(g0=30), need("2 cpu, 100 mem, 1 gpu of 10")
    space.take(wanted, ["g0"])
    assert (space.cpu_cores, space.memory_mib, space.gpus) == (6, 900, {"g0": 20})
    space.give_back(wanted, ["g0"])
    assert (space.cpu_cores, space.memory_mib, space.gpus) == (8, 1000, {"g0": 30})


def test_copy_of_a_room_is_independent():
    space = room(g0=30)
    space.copy().take(need("1 cpu, 1 gpu of 10"), ["g0"])
    assert (space.cpu_cores, space.gpus) == (8, {"g0": 30})


def test_released_run_frees_only_open_gpus():
    space = room(g0=5)
    space.release(run(cpu=2, mem=10, g0=7, closed=9))
    assert (space.cpu_cores, space.memory_mib, space.gpus) == (10, 1010, {"g0": 12})


@pytest.mark.parametrize(
    ("reserved", "left"),
    [
        (Reservation(), (8, 1000, {"g0": 30})),
        (Reservation(3, 400, {"g0": 10}), (5, 600, {"g0": 20})),
        (Reservation(9, 4000, {"g0": 31}), (0, 0, {"g0": 0})),
    ],
)
def test_withheld_room_never_falls_below_zero(reserved, left):
    space = room(g0=30)
    space.withhold(reserved)
    assert (space.cpu_cores, space.memory_mib, space.gpus) == left


def test_withholding_does_not_raise_what_is_below_zero():
    space = room(cpu=-2)
    space.withhold(Reservation(cpu_cores=3))
    assert space.cpu_cores == -2


def test_reservations_add_up():
    both = (
        Reservation().add(need("1 gpu of 10"), ["g0"]).add(need("1 gpu of 5"), ["g0"])
    )
    assert (both.cpu_cores, both.gpus) == (2, {"g0": 15})


@pytest.mark.parametrize(
    ("text", "gone", "is_met"),
    [
        ("8 cpu", [], True),
        ("9 cpu", [], False),
        ("9 cpu", [run(cpu=1)], True),
        ("1100 mem", [run(mem=60), run(mem=39)], False),
        ("1100 mem", [run(mem=60), run(mem=40)], True),
        ("1 gpu of 20", [], True),
        ("2 gpus of 20", [run(g1=9)], False),
        ("2 gpus of 20", [run(g1=10)], True),
        ("2 gpus of 20", [run(g1=4), run(g1=6)], True),
        ("1 gpu of 20, pin g1", [run(g0=99)], False),
        ("0 cpu", [], True),
    ],
)
def test_lack_is_met_by_stopping_runs(text, gone, is_met):
    lack = Lack.of(room(g0=20, g1=10), None, need(text))
    assert lack.met_by(gone) == is_met


@pytest.mark.parametrize(
    ("text", "is_met"),
    [("5 cpu", True), ("6 cpu", False), ("0 cpu", True), ("1 gpu of 11", False)],
)
def test_lack_counts_what_is_reserved_for_others(text, is_met):
    reserved = Reservation(cpu_cores=3, gpus={"g0": 10})
    assert Lack.of(room(g0=20), reserved, need(text)).met_by([]) == is_met


@pytest.mark.parametrize(
    ("text", "code", "needed", "free"),
    [
        ("9 cpu, 2000 mem", "insufficient_cpu", 9, 8),
        ("1 cpu, 2000 mem", "insufficient_memory", 2000, 1000),
        ("2 gpus of 20", "insufficient_gpus", 2, 1),
    ],
)
def test_shortage_names_the_first_thing_that_is_missing(text, code, needed, free):
    why = shortage(room(g0=20), need(text))
    assert (why.status, why.code, why.params["node"]) == ("waiting", code, "a")
    assert (why.params["needed"], why.params["free"]) == (needed, free)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("8 cpu", 0),
        ("16 cpu", 0.5),
        ("16 cpu, 4000 mem", 1.25),
        ("1 cpu, 2 gpus of 20", 0.5),
        ("0 cpu", 0),
    ],
)
def test_missing_share_adds_up_over_resources(text, share):
    assert missing_share(room(g0=20), need(text)) == share


def test_placement_remembers_the_room_before_it():
    wanted = model(7, "m: 2 cpu, 2 gpus of 10, gen 3")
    found = placement(wanted, 1, room(g0=30, g1=20), ["g0", "g1"])
    assert (found.model_id, found.generation, found.replica) == (7, 3, 1)
    assert (found.gpus, found.gpu_room_mib) == ((("g0", 10), ("g1", 10)), 20)
    assert placement(model(1, "m: 1 cpu"), 0, room(), []).gpu_room_mib is None


def test_sums_by_key():
    assert sums([{"a": 1}, {"a": 2, "b": 3}, {}]) == {"a": 3, "b": 3}
