import pytest

from models_app.enums import RunState
from monitoring.health import Health, question
from monitoring.probes import Answer, Result
from tests.builders import a_run, a_wanted_model

pytestmark = pytest.mark.django_db

READY = Result(answer=Answer.READY)
REFUSED = Result(answer=Answer.REFUSED)
SLOW = Result(answer=Answer.SLOW)
LOADING = Result(answer=Answer.LOADING)


def metrics(processing, deferred=0):
    return Result(
        answer=Answer.READY,
        body=f"llamacpp:requests_processing {processing}\n"
        f"llamacpp:requests_deferred {deferred}\n",
    )


@pytest.fixture
def model():
    return a_wanted_model()


@pytest.mark.parametrize(
    ("state", "path"),
    [
        (RunState.STARTING, "/health"),
        (RunState.READY, "/health"),
        (RunState.DRAINING, "/metrics"),
        (RunState.TERMINATING, None),
    ],
)
def test_question_depends_on_the_state(model, state, path):
    run = a_run(model, state, handle={"pid": 1}, port=21007)
    asked = question(run)
    assert (asked and asked.url) == (path and f"http://127.0.0.1:21007{path}")


def test_question_waits_for_the_handle(model):
    assert question(a_run(model, RunState.STARTING)) is None


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
def test_only_an_engine_that_nobody_can_reach_is_stopped(model, results, state):
    run = a_run(model, RunState.READY)
    health = Health()
    for result in results:
        health.hear(run, result)
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
def test_a_draining_run_is_idle_when_its_engine_says_so(model, before, result, idle):
    run = a_run(model, RunState.DRAINING, idle_since=before)
    Health().hear(run, result)
    run.refresh_from_db()
    assert (run.idle_since is not None) == idle
    if before and idle:
        assert run.idle_since == before
