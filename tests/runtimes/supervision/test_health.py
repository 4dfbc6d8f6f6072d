import pytest

from common import clock
from models_app.enums import RunState
from models_app.models import Run
from runtimes.supervision.hang_detector import HangDetector
from runtimes.supervision.health import Health, probe_of
from runtimes.supervision.mass_failure import Brake
from runtimes.supervision.probes import Outcome, Result
from tests.builders import a_run, a_wanted_model

pytestmark = pytest.mark.django_db

READY = Result(outcome=Outcome.READY)
REFUSED = Result(outcome=Outcome.REFUSED)
SLOW = Result(outcome=Outcome.SLOW)
LOADING = Result(outcome=Outcome.LOADING)


def metrics(processing, deferred=0, decoded=7):
    return Result(
        outcome=Outcome.READY,
        body=f"llamacpp:requests_processing {processing}\n"
        f"llamacpp:requests_deferred {deferred}\n"
        f"llamacpp:n_decode_total {decoded}\n",
    )


@pytest.fixture
def model():
    return a_wanted_model()


@pytest.mark.parametrize(
    ("state", "path"),
    [
        (RunState.STARTING, "/health"),
        (RunState.READY, "/metrics"),
        (RunState.DRAINING, "/metrics"),
        (RunState.TERMINATING, None),
    ],
)
def test_probe_depends_on_the_state(model, state, path):
    run = a_run(model, state, handle={"pid": 1}, port=21007)
    probe = probe_of(run)
    assert (probe and probe.url) == (path and f"http://127.0.0.1:21007{path}")


@pytest.mark.parametrize(
    ("state", "path"),
    [(RunState.READY, "/docs"), (RunState.DRAINING, "/v1/models")],
)
def test_engine_without_metrics_is_drained_once_it_gives_its_turn(model, state, path):
    config = {**model.config, "engine": "llama-cpp-python"}
    run = a_run(model, state, config=config, handle={"pid": 1})
    probe = probe_of(run)
    assert probe is not None
    assert probe.url.endswith(path)
    listed = Result(outcome=Outcome.READY, body='{"object":"list","data":[]}')
    Health().handle(run, listed)
    run.refresh_from_db()
    assert (run.idle_since is not None) == (state == RunState.DRAINING)


def test_probe_waits_for_the_handle(model):
    assert probe_of(a_run(model, RunState.STARTING)) is None


@pytest.mark.parametrize(
    ("results", "state"),
    [
        ([REFUSED] * 4, "ready"),
        ([REFUSED] * 5, "draining"),
        ([REFUSED] * 4 + [READY] + [REFUSED] * 4, "ready"),
        ([REFUSED] * 4 + [SLOW] + [REFUSED] * 4, "ready"),
        ([SLOW] * 50, "ready"),
        ([LOADING] * 50, "ready"),
    ],
)
def test_only_an_engine_that_cannot_be_reached_is_stopped(model, results, state):
    run = a_run(model, RunState.READY)
    health = Health()
    for result in results:
        health.handle(run, result)
        health.act([run])
    run.refresh_from_db()
    assert run.state == state
    assert run.stop_code == ("hang" if state == "draining" else "")


@pytest.mark.parametrize(
    ("before", "result", "idle"),
    [
        (None, metrics(0), True),
        (None, metrics(1), False),
        (None, metrics(0, deferred=2), False),
        (5.0, metrics(0), True),
        (5.0, metrics(1), False),
        (5.0, SLOW, True),  # not known: nothing is changed
        (None, SLOW, False),
        (None, READY, False),  # no such metric
    ],
)
def test_a_draining_run_is_idle_when_its_engine_reports_it(model, before, result, idle):
    run = a_run(model, RunState.DRAINING, idle_since=before)
    Health().handle(run, result)
    run.refresh_from_db()
    assert (run.idle_since is not None) == idle
    if before and idle:
        assert run.idle_since == before


def silent(run, seconds, progress=7.0):
    """Has been watched so long without a sign of life."""
    return HangDetector(
        probed_at=clock.uptime() - 1, silent_s=seconds, progress=progress
    )


@pytest.mark.parametrize(
    ("seconds", "result", "state"),
    [
        (110, metrics(1), "ready"),
        (120, metrics(1), "draining"),
        (120, metrics(0, deferred=1), "draining"),
        (120, SLOW, "draining"),
        (120, LOADING, "draining"),
        (9999, metrics(1, decoded=8), "ready"),  # busy
        (9999, metrics(0), "ready"),  # idle
        (9999, READY, "ready"),  # answers without metrics
    ],
)
def test_work_without_progress_is_a_hang(model, seconds, result, state):
    run = a_run(model, RunState.READY, gpu_uuids=["GPU-1"])
    health = Health()
    health.detectors[run.uid] = silent(run, seconds)
    health.handle(run, result)
    health.act([run])
    run.refresh_from_db()
    assert run.state == state
    assert run.stop_code == ("hang" if state == "draining" else "")


def test_when_most_hang_at_once_it_waits_and_looks_again(model):
    runs = [a_run(model, RunState.READY, replica=n, gpu_uuids=["G"]) for n in range(3)]
    health = Health()
    for run in runs[:2]:
        health.detectors[run.uid] = silent(run, 500)
    health.act(runs)
    assert Run.objects.filter(state="ready").count() == 3
    health.brake = Brake(grace_s=0)
    health.act(runs)
    assert Run.objects.filter(stop_code="hang").count() == 2


def test_handle_returns_metrics_of_a_serving_engine(model):
    run = a_run(model, RunState.READY)
    health = Health()
    assert health.handle(run, metrics(2)).in_flight == 2
    assert health.handle(run, SLOW) is None
    assert health.loads.of[run.uid].mean == 0  # one look is no time


def test_what_is_gone_is_forgotten(model):
    run = a_run(model, RunState.READY)
    health = Health()
    health.handle(run, metrics(2))
    health.handle(run, REFUSED)
    health.keep_only(set())
    assert (health.detectors, health.refusals, health.loads.of) == ({}, {}, {})
