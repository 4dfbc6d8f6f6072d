"""How runs record the end of their engine."""

import pytest

from models_app.enums import RunState
from models_app.models import Run
from runtimes.drivers.base import NO_BOUNDS
from runtimes.registry import driver
from runtimes.supervision.observe import check
from tests.builders import a_run, a_wanted_model
from tests.runtimes.processes import shell, until

pytestmark = pytest.mark.django_db


def ended(script):
    """The run of an engine that did this."""
    run = a_run(a_wanted_model(), RunState.STARTING)
    command = shell(script.replace("KEY", run.engine_key))
    handle = driver(run.driver).start(run.uid, command, NO_BOUNDS)
    Run.objects.filter(pk=run.pk).update(handle=handle.to_json())
    run.refresh_from_db()
    until(lambda: not check(run))
    run.refresh_from_db()
    return run


@pytest.mark.parametrize(
    ("script", "code", "params"),
    [
        (
            "echo 'terminate called: odd'; echo later; exit 3",
            "crashed",
            {"said": "terminate called: odd"},
        ),
        ("exit 3", "crashed", {}),
        ("echo all is well; exit 0", "killed", {}),
        (
            "echo \"0.1 E error: unknown model architecture: 'x'\"; exit 1",
            "unknown_architecture",
            {"said": "0.1 E error: unknown model architecture: 'x'"},
        ),
        (
            "echo cannot open model /models/smol.gguf; exit 1",
            "model_file_missing",
            {"path": "/models/smol.gguf"},
        ),
        ("kill -9 $$", "killed", {}),
    ],
)
def test_end_is_derived_from_exit_and_log(script, code, params):
    run = ended(script)
    assert (run.end_code, run.end_params) == (code, params)


def test_what_is_kept_of_the_log_is_clean():
    run = ended("printf 'said \\033[31mKEY\\033[0m\\n'; exit 1")
    assert run.log_tail == "said ***\n"
    assert run.end_params == {"said": "said ***"}
