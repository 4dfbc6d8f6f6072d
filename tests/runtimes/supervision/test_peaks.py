import sys
import time

import pytest

from models_app.enums import RunState
from models_app.models import Run
from runtimes.registry import driver
from runtimes.supervision.observe import handle_of
from runtimes.supervision.peaks import Peaks
from tests.builders import a_run, a_wanted_model
from tests.runtimes.processes import kill_owned, shell, until

pytestmark = pytest.mark.django_db

HOLD = f"{sys.executable} -c \"x = b'x' * 30_000_000; input()\""
SCRIPT = f"sleep 60 | {HOLD}"


@pytest.fixture
def engines():
    yield driver("process")
    kill_owned(driver("process"))


def a_serving_run(engines, state=RunState.READY, **fields):
    run = a_run(a_wanted_model(), state, driver="process", **fields)
    run.handle = engines.start(run.uid, shell(SCRIPT)).to_json()
    until(lambda: has_settled(engines, run))
    return run


def has_settled(engines, run):
    """Whether it holds its memory, and no longer grows."""
    before = engines.memory_mib(handle_of(run)) or 0
    time.sleep(0.3)
    return before > 35 and engines.memory_mib(handle_of(run)) == before


def stored():
    return Run.objects.values_list("gpu_peak_mib", "memory_peak_mib").get()


def test_what_an_engine_holds_is_written_once(engines, django_assert_num_queries):
    run = a_serving_run(engines, gpu_used={"GPU-a": 300, "GPU-b": 200})
    peaks = Peaks()
    assert peaks.step([run]) == run
    gpu, host = stored()
    assert gpu == 500
    assert 35 < host < 60
    with django_assert_num_queries(0):
        assert peaks.step([run]) is None


def test_peaks_do_not_fall(engines):
    run = a_serving_run(engines, gpu_used={"GPU-a": 300}, gpu_peak_mib=900)
    run.memory_peak_mib = 5000
    assert Peaks().step([run]) is None


@pytest.mark.parametrize("used", [None, {"GPU-a": None}, {}])
def test_what_is_not_reported_is_not_zero(engines, used):
    run = a_serving_run(engines, gpu_used=used)
    Peaks().step([run])
    assert stored()[0] is None


@pytest.mark.parametrize(
    "fields", [{"state": RunState.DRAINING}, {"unseen": True}], ids=["drains", "unseen"]
)
def test_engine_that_does_not_serve_or_cannot_be_seen_is_not_measured(engines, fields):
    assert Peaks().step([a_serving_run(engines, **fields)]) is None
    assert Peaks().step([]) is None


def test_each_run_has_its_turn(engines):
    model = a_wanted_model(replicas=3)
    runs = [
        a_run(model, RunState.READY, replica=n, gpu_used={"GPU-a": 100 + n})
        for n in range(3)
    ]
    peaks = Peaks()
    seen = {peaks.step(runs).replica for _ in runs}
    assert seen == {0, 1, 2}
    assert sorted(Run.objects.values_list("gpu_peak_mib", flat=True)) == [100, 101, 102]
