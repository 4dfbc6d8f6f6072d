import socket
from pathlib import Path

import pytest

from common.enums import Retry
from common.messages import advise, find
from models_app.approvals import approve
from models_app.enums import RunState, Status
from models_app.models import Run, ServedModel
from runtimes.drivers.base import Handle
from runtimes.registry import driver
from runtimes.supervision.launch import launch, store_handle
from tests.builders import a_run, a_user, a_wanted_model
from tests.environment import DATA_DIR
from tests.gguf import LLAMA, a_gguf

pytestmark = pytest.mark.django_db

HANDLE = Handle(uid="0" * 32, pid=1, started=1, boot_id="b", engine_pid=None)


@pytest.fixture
def gguf():
    path = DATA_DIR / "models" / "header.gguf"
    path.write_bytes(a_gguf())
    return str(path)


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"model_path": str(DATA_DIR / "models" / "gone.gguf")}, "model_file_missing"),
        ({"model_path": str(DATA_DIR / "models")}, "model_file_missing"),
        ({"model_path": "/etc/passwd"}, "config_refused"),
        ({}, "config_refused"),
    ],
)
def test_launch_of_what_cannot_work_ends_with_the_reason(config, code):
    run = a_run(a_wanted_model(config=config))
    launch(run.uid)
    run.refresh_from_db()
    run.model.refresh_from_db()
    assert (run.state, run.end_code) == ("ended", code)
    assert run.model.status == Status.ERROR
    assert driver("process").find(run.uid) is None


@pytest.mark.parametrize(
    ("content", "code", "cause"),
    [
        (a_gguf()[:200], "model_file_broken", "gguf_truncated"),
        (
            a_gguf({**LLAMA, "general.type": "adapter"}),
            "model_file_broken",
            "gguf_not_a_model",
        ),
        (
            a_gguf({**LLAMA, "llama.block_count": 2**32 - 1}),
            "model_file_broken",
            "gguf_value",
        ),
        (
            a_gguf({**LLAMA, "general.architecture": "no-such"}),
            "unknown_architecture",
            "architecture_unknown",
        ),
    ],
)
def test_launch_of_what_no_engine_can_load_ends_with_a_reason(
    gguf, content, code, cause
):
    Path(gguf).write_bytes(content)
    run = a_run(a_wanted_model(config={"model_path": gguf}))
    launch(run.uid)
    run.refresh_from_db()
    assert (run.end_code, run.end_params["cause"]["code"]) == (code, cause)
    assert "%(" not in run.end_reason
    assert find(run.end_code).retry is Retry.NEVER


def test_launch_without_a_valid_approval_ends_with_the_reason(gguf):
    config = {"model_path": gguf, "extra_args": {"swa_full": True}}
    model = a_wanted_model(config=config)
    approve(model, a_user("admin"))
    Path(gguf).write_bytes(a_gguf({**LLAMA, "general.name": "swapped"}))
    run = a_run(model)
    launch(run.uid)
    run.refresh_from_db()
    assert run.end_code == "approval_required"
    assert run.end_reason == (
        "extra_args must be approved again by an administrator. Changed since the last"
        " approval: model files."
    )
    assert "POST /api/models/NAME/approve" in advise(run.end_code, run.end_params)
    assert driver("process").find(run.uid) is None
    run.model.refresh_from_db()
    assert run.model.status == Status.ERROR


@pytest.fixture
def taken_port():
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        yield stranger.getsockname()[1]


def test_launch_on_a_taken_port_ends_when_no_other_is_free(gguf, taken_port, settings):
    settings.ENGINE_PORTS = range(taken_port, taken_port + 1)
    run = a_run(a_wanted_model(config={"model_path": gguf}), port=taken_port)
    launch(run.uid)
    run.refresh_from_db()
    assert run.end_code == "port_in_use"
    assert driver("process").find(run.uid) is None


def test_launch_of_an_abandoned_run_fails_with_a_reason(gguf):
    run = a_run(a_wanted_model(config={"model_path": gguf}), RunState.STARTING)
    driver("process").abandon(run.uid)
    launch(run.uid)
    run.refresh_from_db()
    assert (run.end_code, run.end_params) == ("launch_failed", {"detail": "abandoned"})


@pytest.mark.parametrize("state", [RunState.READY, RunState.ENDED])
def test_launch_of_what_is_past_that_changes_nothing(state):
    run = a_run(a_wanted_model(), state)
    before = Run.objects.values().get()
    launch(run.uid)
    launch("no-such-run")
    assert Run.objects.values().get() == before


def test_store_handle_is_won_once():
    run = a_run(a_wanted_model(), RunState.STARTING)
    assert store_handle(run, HANDLE)
    assert not store_handle(run, HANDLE)


def test_store_handle_of_an_ended_run_is_refused():
    run = a_run(a_wanted_model(), RunState.ENDED)
    assert not store_handle(run, HANDLE)


def test_launch_records_the_kind_of_the_model(gguf, settings):
    """The engine itself is not started: its image is missing."""
    Path(gguf).write_bytes(a_gguf({**LLAMA, "llama.pooling_type": 1}))
    config = {"model_path": gguf, "embedding": True}
    run = a_run(a_wanted_model(config=config, driver="docker"))
    launch(run.uid)
    run.refresh_from_db()
    run.model.refresh_from_db()
    assert (run.model_kind, run.model.model_kind) == ("embedding", "embedding")


def test_launch_of_an_earlier_config_leaves_the_kind_of_the_model(gguf):
    run = a_run(a_wanted_model(config={"model_path": gguf}, driver="docker"))
    later = {"config": {"model_path": "other.gguf"}, "model_kind": "embedding"}
    ServedModel.objects.update(**later)
    launch(run.uid)
    run.refresh_from_db()
    run.model.refresh_from_db()
    assert (run.model_kind, run.model.model_kind) == ("completion", "embedding")
