"""What a driver promises, kept by a real Docker daemon."""

import re
import uuid
from contextlib import closing
from functools import partial

import pytest
import requests

from runtimes.drivers.base import Bounds, DriverError, Handle, Observation
from runtimes.drivers.docker import DockerDriver
from runtimes.drivers.dockerd import create
from runtimes.frameworks.base import Command, Exit
from tests.engines.client import a_free_port
from tests.runtimes.drivers.daemons import IMAGE
from tests.runtimes.processes import SLEEP, a_uid, ended, shell, until

BOUNDS = Bounds(framework="llama.cpp", cpu_cores=1, memory_mib=128)
TRAP = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
SERVE = """
import http.server as h; s = h.HTTPServer(("0.0.0.0", {port}), h.BaseHTTPRequestHandler)
print("ready", flush=True); s.serve_forever()
"""


def python(script):
    return Command(argv=("/usr/bin/python3", "-c", script), env={}, stdin="")


def inspected(dockerd, handle):
    with closing(dockerd.client()) as client:
        return client.inspect_container(handle.container)


def test_start_again_returns_the_live_container(containers):
    uid = a_uid()
    handle = containers.start(uid, SLEEP, BOUNDS)
    assert containers.start(uid, shell("echo second"), BOUNDS) == handle
    assert containers.find(uid) == handle
    assert containers.observe(handle) == Observation(alive=True, exit=None)
    assert list(containers.owned()) == [uid]
    assert Handle.from_json(handle.to_json()) == handle


def test_start_again_returns_the_past_container(containers):
    uid = a_uid()
    handle = containers.start(uid, shell("echo once"), BOUNDS)
    assert ended(containers, handle) == Exit(code=0, signal=None)
    assert containers.start(uid, shell("echo twice"), BOUNDS) == handle
    assert containers.tail(uid) == "once\n"
    assert containers.owned() == {}
    assert containers.run_uids() == [uid]


def test_container_survives_a_new_driver(containers, dockerd, tmp_path):
    uid = a_uid()
    handle = containers.start(uid, SLEEP, BOUNDS)
    images = {"llama.cpp": IMAGE}
    renewed = DockerDriver(tmp_path / "runs", containers.instance, dockerd.url, images)
    other = DockerDriver(tmp_path / "other", "other", dockerd.url, images)
    assert renewed.find(uid) == handle
    assert (other.find(uid), other.owned(), other.run_uids()) == (None, {}, [])
    other.discard(uid)
    assert renewed.observe(handle).alive


def test_secret_reaches_standard_input_and_nothing_else(containers, dockerd):
    script = "read key; echo got ${#key}; exec sleep 60"
    handle = containers.start(a_uid(), shell(script, stdin="sesame-key\n"), BOUNDS)
    until(lambda: containers.tail(handle.uid) == "got 10\n")
    assert "sesame" not in str(inspected(dockerd, handle))


@pytest.mark.parametrize("size", [0, 1, 500_000])
def test_standard_input_of_any_size_arrives_and_ends(containers, size):
    script = "import sys; print(len(sys.stdin.read()))"
    command = Command(argv=("python3", "-c", script), env={}, stdin="x" * size)
    handle = containers.start(a_uid(), command, BOUNDS)
    assert ended(containers, handle) == Exit(code=0, signal=None)
    assert containers.tail(handle.uid) == f"{size}\n"


def test_interrupted_launch_is_taken_up_again(containers, dockerd):
    uid = a_uid()
    containers.start(uid, SLEEP, BOUNDS)
    other = containers.start(a_uid(), SLEEP, BOUNDS)
    with closing(dockerd.client()) as client:
        body = inspected(dockerd, containers.find(uid))["Config"]
        client.remove_container(f"llmplatform-{uid}", force=True)
        create(client, body, f"llmplatform-{uid}")
    assert containers.find(uid) is None
    handle = containers.start(uid, shell("read x; echo $x", stdin="whole\n"), BOUNDS)
    ended(containers, handle)
    assert containers.tail(uid) == "whole\n"
    assert containers.observe(other).alive


def test_abandoned_run_never_starts(containers):
    uid = a_uid()
    assert containers.abandon(uid)
    assert containers.abandon(uid)
    with pytest.raises(DriverError) as refused:
        containers.start(uid, SLEEP, BOUNDS)
    assert refused.value.code == "abandoned"
    assert (containers.find(uid), containers.run_uids()) == (None, [uid])
    containers.discard(uid)
    assert containers.run_uids() == []


def test_started_run_cannot_be_abandoned(containers):
    handle = containers.start(a_uid(), SLEEP, BOUNDS)
    assert not containers.abandon(handle.uid)
    assert containers.observe(handle).alive


def test_terminate_lets_the_engine_leave(containers):
    handle = containers.start(a_uid(), shell(TRAP), BOUNDS)
    until(lambda: containers.tail(handle.uid) == "up\n")
    containers.terminate(handle)
    assert ended(containers, handle) == Exit(code=0, signal=None)
    assert containers.tail(handle.uid) == "up\nbye\n"
    containers.terminate(handle)
    containers.kill(handle)


def test_engine_without_a_handler_ends_by_the_signal(containers):
    handle = containers.start(a_uid(), SLEEP, BOUNDS)
    containers.terminate(handle)
    assert ended(containers, handle) == Exit(code=None, signal=15)


def test_kill_ends_who_ignores_signals(containers):
    script = "trap '' TERM; echo up; while :; do sleep 1; done"
    handle = containers.start(a_uid(), shell(script), BOUNDS)
    until(lambda: containers.tail(handle.uid) == "up\n")
    containers.terminate(handle)
    assert containers.observe(handle).alive
    containers.kill(handle)
    assert ended(containers, handle) == Exit(code=None, signal=9)


def test_exit_code_and_end_of_the_log(containers):
    handle = containers.start(a_uid(), shell("echo 123456789; exit 3"), BOUNDS)
    assert ended(containers, handle) == Exit(code=3, signal=None)
    assert containers.tail(handle.uid, 4) == "789\n"
    assert containers.observe(handle).reason == ""


def test_out_of_memory_is_reported_by_the_kernel(containers):
    handle = containers.start(a_uid(), python("x = b'x' * 10**9"), BOUNDS)
    until(lambda: not containers.observe(handle).alive)
    assert containers.observe(handle).reason == "out_of_memory"


def test_engine_is_confined(containers):
    capabilities = "while read name x; do test $name = CapEff: && echo $x; done"
    script = f"id -u; echo x > /tmp/x; {capabilities} < /proc/self/status; echo x > /x"
    handle = containers.start(a_uid(), shell(script), BOUNDS)
    ended(containers, handle)
    output = containers.tail(handle.uid)  # its two outputs, in no order
    assert {"65534", "0000000000000000"} <= set(output.splitlines())
    assert "Read-only file system\n" in output


def test_models_are_readable_and_not_writable(containers, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    tmp_path.chmod(0o755)
    models.chmod(0o777)
    (models / "m.gguf").write_text("weights\n")
    containers.folders = [models, tmp_path / "missing"]
    script = f"cat {models}/m.gguf; echo x > {models}/m.gguf || echo refused"
    handle = containers.start(a_uid(), shell(script), BOUNDS)
    ended(containers, handle)
    output = containers.tail(handle.uid)
    assert "weights\n" in output
    assert "refused\n" in output


def test_removed_by_hand_is_an_end(containers, dockerd):
    handle = containers.start(a_uid(), SLEEP, BOUNDS)
    with closing(dockerd.client()) as client:
        client.remove_container(handle.container, force=True)
    seen = containers.observe(handle)
    assert (seen.alive, seen.reason) == (False, "removed_outside")
    assert seen.vanished
    assert (containers.find(handle.uid), containers.tail(handle.uid)) == (None, "")
    containers.kill(handle)


def test_paused_container_lives_and_can_be_killed(containers, dockerd):
    handle = containers.start(a_uid(), SLEEP, BOUNDS)
    with closing(dockerd.client()) as client:
        client.pause(handle.container)
    assert containers.observe(handle).alive
    assert list(containers.owned()) == [handle.uid]
    containers.kill(handle)
    assert ended(containers, handle) == Exit(code=None, signal=9)


def test_reap_ends_and_discard_deletes(containers):
    handle = containers.start(a_uid(), SLEEP, BOUNDS)
    containers.discard(handle.uid)
    assert containers.observe(handle).alive
    containers.reap(handle.uid)
    ended(containers, handle)
    containers.discard(handle.uid)
    assert (containers.run_uids(), containers.find(handle.uid)) == ([], None)


def test_listens_on_loopback_once_published(containers, dockerd):
    port = a_free_port()
    bounds = Bounds(framework="llama.cpp", port=port)
    handle = containers.start(a_uid(), python(SERVE.format(port=port)), bounds)
    assert containers.listens(handle, port)
    assert not containers.listens(handle, port + 1)
    until(lambda: containers.tail(handle.uid) == "ready\n")
    until(lambda: answers(port))
    second = Bounds(framework="llama.cpp", port=port)
    with pytest.raises(DriverError, match="port_in_use"):
        containers.start(a_uid(), SLEEP, second)
    assert len(containers.run_uids()) == 1


def answers(port):
    try:
        requests.get(f"http://127.0.0.1:{port}/", timeout=1).close()
    except requests.ConnectionError:
        return False
    return True


def test_pids_lead_to_runs(containers, dockerd):
    handle = containers.start(a_uid(), SLEEP, BOUNDS)
    pid = inspected(dockerd, handle)["State"]["Pid"]
    assert containers.run_of(pid) == handle.uid
    assert containers.run_of(1) == ""
    assert containers.run_of(2**22 + 1) == ""


def test_cpu_seconds_grow(containers):
    handle = containers.start(a_uid(), shell("while :; do :; done"), BOUNDS)
    until(lambda: containers.cpu_seconds(handle) > 0.2)


def test_memory_is_what_its_processes_hold(containers):
    hold = python("import time; x = b'x' * 60_000_000; time.sleep(60)")
    handle = containers.start(a_uid(), hold, BOUNDS)
    until(lambda: (containers.memory_mib(handle) or 0) > 58)


def test_missing_image_is_named(containers):
    containers.images = {"llama.cpp": "no-such-image:1"}
    for framework, image in (("llama.cpp", "no-such-image:1"), ("vllm", "vllm")):
        bounds = Bounds(framework=framework)
        for step in (
            partial(containers.start, a_uid(), SLEEP, bounds),
            partial(containers.image, framework),
        ):
            with pytest.raises(DriverError) as missing:
                step()
            assert missing.value.code == "image_missing"
            assert missing.value.params == {"image": image}


def test_image_is_reported_with_its_size(containers):
    pattern = re.escape(IMAGE) + r", [0-9a-f]{12}, \d+ MiB"
    assert re.fullmatch(pattern, containers.image("llama.cpp"))


@pytest.mark.parametrize(
    ("user", "expected"), [("7:8", (7, 8)), ("7", (7, 0)), ("me", None), ("7:us", None)]
)
def test_user_of_engines_is_reported_where_it_is_a_number(tmp_path, user, expected):
    driver = DockerDriver(tmp_path, "x", "unix:///nowhere", {}, user=user)
    assert driver.engine_user == expected


def test_gpu_that_is_not_there_fails_the_launch(containers):
    bounds = Bounds(framework="llama.cpp", gpu_uuids=("GPU-1",))
    with pytest.raises(DriverError, match=r"launch_failed: .*nvidia"):
        containers.start(a_uid(), SLEEP, bounds)
    assert containers.run_uids() == []


@pytest.mark.parametrize(("leave", "back"), [("stop", "start"), ("freeze", "thaw")])
def test_daemon_away_and_back(containers, dockerd, leave, back):
    port = a_free_port()
    bounds = Bounds(framework="llama.cpp", port=port)
    handle = containers.start(a_uid(), python(SERVE.format(port=port)), bounds)
    until(lambda: answers(port))
    getattr(dockerd, leave)()
    until(lambda: containers.observe(handle).blind)
    blind = Observation(alive=True, exit=None, blind=True)
    assert [containers.observe(handle) for _ in range(50)] == [blind] * 50
    assert answers(port)
    getattr(dockerd, back)()
    until(lambda: not containers.observe(handle).blind, 10)
    assert containers.observe(handle) == Observation(alive=True, exit=None)
    assert containers.listens(handle, port)
    assert containers.find(handle.uid) == handle
    assert answers(port)
    containers.terminate(handle)
    ended(containers, handle)


def test_without_a_daemon_questions_are_answered_and_steps_are_refused(tmp_path):
    url = f"unix://{tmp_path}/none.sock"
    driver = DockerDriver(tmp_path, uuid.uuid4().hex, url, {"llama.cpp": IMAGE})
    handle = Handle(uid=a_uid(), container="ab" * 32)
    assert driver.observe(handle).blind
    assert (driver.owned(), driver.run_uids(), driver.tail(handle.uid)) == ({}, [], "")
    assert (driver.cpu_seconds(handle), driver.listens(handle, 1)) == (0, False)
    assert driver.memory_mib(handle) is None
    driver.reap(handle.uid)
    driver.discard(handle.uid)
    for step in (
        lambda: driver.image("llama.cpp"),
        lambda: driver.start(handle.uid, SLEEP, BOUNDS),
        lambda: driver.find(handle.uid),
        lambda: driver.abandon(handle.uid),
        lambda: driver.terminate(handle),
        lambda: driver.kill(handle),
    ):
        with pytest.raises(DriverError) as refused:
            step()
        assert refused.value.code == "docker_unavailable"
        assert refused.value.params == {
            "socket": url,
            "detail": "No such file or directory",
        }


@pytest.mark.parametrize("uid", ["", "..", "A" * 32, "a" * 33, "a" * 32 + "\n"])
def test_uid_that_is_no_uid_is_refused(tmp_path, uid):
    driver = DockerDriver(tmp_path, "x", "unix:///nowhere", {})
    for step in (driver.abandon, driver.discard):
        with pytest.raises(ValueError, match="not a run uid"):
            step(uid)
