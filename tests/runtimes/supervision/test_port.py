"""A port that another process takes between selection and bind."""

import socket

import pytest

from models_app.enums import RunState
from runtimes.drivers.base import DriverError
from runtimes.registry import driver
from runtimes.supervision.launch import _fail, launch
from runtimes.supervision.port import MAX_CHANGES, change_port, is_taken
from tests.builders import a_run, a_wanted_model
from tests.runtimes.processes import kill_owned

pytestmark = pytest.mark.django_db


@pytest.fixture
def echo(settings, tmp_path):
    """Config of a small engine that takes a second until it binds its port."""
    place = "tests.runtimes.frameworks.echo.framework.Echo"
    settings.FRAMEWORKS = {**settings.FRAMEWORKS, "echo": place}
    settings.MODEL_ROOTS = [tmp_path]
    path = tmp_path / "hello.echo"
    path.write_text("Hello,")
    yield {"greeting_file": str(path), "delay_s": 1}
    kill_owned(driver("process"))


@pytest.fixture
def ports(settings):
    """Three free ports."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    settings.ENGINE_PORTS = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return settings.ENGINE_PORTS


def stranger(port):
    return socket.create_server(("127.0.0.1", port))


def an_echo_run(config, port, **fields):
    model = a_wanted_model(framework="echo", config=config)
    return a_run(model, port=port, **fields)


def test_port_taken_before_launch_is_replaced(echo, ports):
    run = an_echo_run(echo, ports[0])
    with stranger(ports[0]):
        launch(run.uid)
    run.refresh_from_db()
    assert (run.state, run.port, run.port_changes) == ("starting", ports[1], 1)
    assert run.handle


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({}, True),
        ({"state": RunState.STARTING}, True),
        ({"state": RunState.STARTING, "port_changes": MAX_CHANGES}, False),
        ({"state": RunState.READY}, False),
        ({"state": RunState.TERMINATING}, False),
    ],
)
def test_port_is_changed_a_few_times_while_the_run_is_about_to_start(
    echo, ports, fields, changes
):
    run = an_echo_run(echo, ports[0], **fields)
    assert change_port(run) is changes
    run.refresh_from_db()
    assert (run.port != ports[0]) is changes


@pytest.mark.parametrize(
    ("changes", "state"), [(0, "starting"), (MAX_CHANGES, "ended")]
)
def test_port_refused_by_the_driver_is_replaced_a_few_times(
    echo, ports, changes, state
):
    fields = {"state": RunState.STARTING, "port_changes": changes}
    run = an_echo_run(echo, ports[0], **fields)
    _fail(run, DriverError("port_in_use", port=ports[0]))
    run.refresh_from_db()
    assert (run.state, run.port != ports[0]) == (state, state == "starting")
    assert run.end_code == ("port_in_use" if state == "ended" else "")


def test_ports_of_other_runs_are_left_alone(echo, ports):
    a_run(a_wanted_model("other"), port=ports[1])
    run = an_echo_run(echo, ports[0])
    assert change_port(run)
    assert run.port == ports[2]


def test_port_is_taken_while_somebody_is_bound_to_it(ports):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", ports[0]))
        assert is_taken(ports[0])
    assert not is_taken(ports[0])
