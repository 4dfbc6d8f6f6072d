import sys

import pytest

from models_app.enums import RunState
from models_app.models import Run
from monitoring import peaks
from runtimes.registry import driver
from runtimes.watch import handle_of
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
    until(lambda: (engines.memory_mib(handle_of(run)) or 0) > 35)
    return run


def stored():
    return Run.objects.values_list("gpu_peak_mib", "memory_peak_mib").get()


def test_what_an_engine_holds_is_written_once(engines, django_assert_num_queries):
    run = a_serving_run(engines, gpu_used={"GPU-a": 300, "GPU-b": 200})
    assert peaks.write([run]) == 1
    gpu, host = stored()
    assert gpu == 500
    assert 35 < host < 60
    with django_assert_num_queries(0):
        assert peaks.write([run]) == 0


def test_peaks_do_not_fall(engines):
    run = a_serving_run(engines, gpu_used={"GPU-a": 300}, gpu_peak_mib=900)
    run.memory_peak_mib = 5000
    assert peaks.write([run]) == 0


@pytest.mark.parametrize("used", [None, {"GPU-a": None}, {}])
def test_what_is_not_told_is_not_zero(engines, used):
    run = a_serving_run(engines, gpu_used=used)
    peaks.write([run])
    assert stored()[0] is None


def test_engine_that_loads_or_drains_is_not_measured(engines):
    run = a_serving_run(engines, RunState.DRAINING)
    assert peaks.write([run]) == 0
