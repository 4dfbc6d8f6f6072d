import pytest

from models_app.enums import RunState
from models_app.models import Run
from runtimes.supervision.load import WINDOW_S, Load, Loads
from tests.builders import a_run, a_wanted_model


def test_load_nears_what_is_steady():
    load = Load(at=0.0, mean=0.0)
    for second in range(1, 3001):
        load.add(4, float(second))
    assert load.mean == pytest.approx(4, rel=1e-3)


def test_load_drops_two_thirds_within_its_window():
    load = Load(at=0.0, mean=4.0)
    for second in range(1, int(WINDOW_S) + 1):
        load.add(0, float(second))
    assert load.mean == pytest.approx(4 * 0.3679, rel=1e-3)


def test_load_is_the_same_however_often_one_looks():
    often, seldom = Load(at=0.0, mean=0.0), Load(at=0.0, mean=0.0)
    for second in range(1, 61):
        often.add(2, float(second))
    seldom.add(2, 60.0)
    assert often.mean == pytest.approx(seldom.mean)


@pytest.mark.django_db
def test_write_only_what_is_news(django_assert_num_queries):
    model = a_wanted_model(replicas=2)
    busy = a_run(model, RunState.READY)
    idle = a_run(model, RunState.READY, replica=1)
    loads = Loads()
    for run, in_flight in ((busy, 8), (idle, 0)):
        loads.add(run, in_flight, 0.0)
        loads.add(run, in_flight, 30.0)
    assert loads.write([busy, idle]) == 1
    stored = dict(Run.objects.values_list("replica", "traffic"))
    assert stored[0] == pytest.approx(0.761, abs=0.01)
    assert stored[1] == 0
    with django_assert_num_queries(0):
        assert loads.write([busy, idle]) == 0


@pytest.mark.django_db
def test_a_new_watcher_goes_on_from_the_row():
    run = a_run(a_wanted_model(), RunState.READY, traffic=3.0)
    loads = Loads()
    loads.add(run, 3, 100.0)
    assert loads.of[run.uid].mean == 3.0
    loads.keep_only(set())
    assert loads.of == {}
