import dataclasses
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.network.sockets import socket_of
from runtimes.drivers.base import NO_BOUNDS, DriverError, Handle, Observation
from runtimes.drivers.process import ProcessDriver
from runtimes.frameworks.base import Exit
from runtimes.shim import boot_id, started_at
from tests.runtimes.processes import (
    SLEEP,
    a_uid,
    ended,
    kill_owned,
    lives,
    pid_in,
    python,
    shell,
    until,
)

UNKNOWN = Observation(alive=False, exit=Exit(code=None, signal=None))


@pytest.fixture
def other(tmp_path):
    """Another installation on the same machine."""
    other = ProcessDriver(tmp_path / "other", "other-installation")
    yield other
    kill_owned(other)


@contextmanager
def a_stranger():
    """A process that has nothing to do with the platform."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        assert process.poll() is None, "a process that is not ours was touched"
        process.kill()


def a_handle(**fields):
    me = {
        "uid": a_uid(),
        "pid": os.getpid(),
        "started": started_at(os.getpid()),
        "boot_id": boot_id(),
        "engine_pid": None,
    }
    return Handle(**{**me, **fields})


def test_start_again_returns_the_live_run(driver):
    uid = a_uid()
    handle = driver.start(uid, SLEEP)
    assert driver.start(uid, shell("echo second")) == handle
    assert driver.find(uid) == handle
    until(lambda: driver.owned() == {uid: [handle.pid, handle.engine_pid]})


def test_start_again_returns_the_past_run(driver):
    uid = a_uid()
    handle = driver.start(uid, shell("echo once"))
    ended(driver, handle)
    assert driver.start(uid, shell("echo twice")) == handle
    assert driver.tail(uid) == "once\n"


def test_run_survives_a_new_driver(driver):
    uid = a_uid()
    handle = driver.start(uid, SLEEP)
    restarted = ProcessDriver(driver.runs_dir, driver.instance)
    assert restarted.find(uid) == handle
    assert restarted.observe(handle) == Observation(alive=True, exit=None)


def test_unknown_run_is_not_found(driver):
    assert driver.find(a_uid()) is None
    assert driver.owned() == {}
    assert driver.run_uids() == []


def test_abandoned_run_never_starts(driver):
    uid = a_uid()
    assert driver.abandon(uid)
    assert driver.abandon(uid)
    with pytest.raises(DriverError) as refused:
        driver.start(uid, SLEEP)
    assert refused.value.code == "abandoned"
    assert driver.find(uid) is None
    assert driver.owned() == {}


def test_started_run_cannot_be_abandoned(driver):
    uid = a_uid()
    handle = driver.start(uid, SLEEP)
    assert not driver.abandon(uid)
    assert driver.observe(handle).alive
    assert [p.name for p in (driver.runs_dir / uid).glob("draft.*")] == []


def test_abandoning_beats_a_shim_that_has_not_claimed_yet(driver):
    uid = a_uid()
    driver.abandon(uid)
    detail = driver._launch(uid, shell("echo started"), NO_BOUNDS)
    assert (detail, driver.find(uid), driver.tail(uid)) == ("", None, "")


def test_abandoning_removes_the_secrets_of_an_interrupted_launch(driver):
    uid = a_uid()
    (driver.runs_dir / uid).mkdir(parents=True)
    for name in ("spec.json", "draft.x"):
        (driver.runs_dir / uid / name).write_text('{"stdin": "sesame"}')
    assert driver.abandon(uid)
    assert [p.name for p in (driver.runs_dir / uid).iterdir()] == ["claim.json"]


def test_secret_is_nowhere_once_the_engine_has_read_it(driver):
    uid = a_uid()
    handle = driver.start(uid, shell("read key; exec sleep 60", stdin="sesame\n"))
    for path in (driver.runs_dir / uid).rglob("*"):
        assert path.is_dir() or b"sesame" not in path.read_bytes()
    for pid in (handle.pid, handle.engine_pid):
        for name in ("cmdline", "environ"):
            assert b"sesame" not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_files_of_a_run_are_for_their_owner_only(driver):
    uid = a_uid()
    ended(driver, driver.start(uid, shell("echo hello")))
    run_dir = driver.runs_dir / uid
    modes = {path.stat().st_mode & 0o077 for path in (run_dir, *run_dir.iterdir())}
    assert modes == {0}


def test_engine_environment_is_clean(tmp_path):
    given = {
        "SECRET_KEY": "sesame",
        "DATABASE_URL": "postgres://u:sesame@db",
        "LANG": "de_DE.UTF-8",
        "HOME": "/home/me",
        "LD_LIBRARY_PATH": "/opt/cuda/lib64",
        "CUDA_HOME": "/opt/cuda",
        "PYTHONPATH": "/elsewhere",
    }
    driver = ProcessDriver(tmp_path, "inst", environment=given)
    uid = a_uid()
    command = python("import os; print(*sorted(os.environ.items()), sep='\\n')")
    ended(driver, driver.start(uid, dataclasses.replace(command, env={"MINE": "1"})))
    seen = driver.tail(uid)
    assert "sesame" not in seen
    names = {line.split("'")[1] for line in seen.splitlines()} - {"LC_CTYPE"}
    assert names == {
        *("PATH", "LANG", "HOME", "LD_LIBRARY_PATH", "CUDA_HOME", "SPT_NOENV", "MINE"),
        *("LLMPLATFORM_RUN_UID", "LLMPLATFORM_INSTANCE", "TMPDIR"),
    }


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false"])
def test_launch_that_fails_gives_the_reason(tmp_path, python):
    driver = ProcessDriver(tmp_path, "inst", python=python)
    uid = a_uid()
    with pytest.raises(DriverError) as failed:
        driver.start(uid, SLEEP)
    assert failed.value.code == "launch_failed"
    assert isinstance(failed.value.params["detail"], str)
    assert driver.abandon(uid)


def test_launch_without_a_place_for_files_fails(tmp_path):
    (tmp_path / "file").touch()
    driver = ProcessDriver(tmp_path / "file" / "runs", "inst")
    with pytest.raises(DriverError, match=r"launch_failed: .*Not a directory"):
        driver.start(a_uid(), SLEEP)


def test_observe_other_boot_is_not_alive(driver):
    assert driver.observe(a_handle(boot_id="another boot")) == UNKNOWN


def test_observe_reused_pid_is_not_alive(driver):
    assert driver.observe(a_handle(started=1)) == UNKNOWN


def test_observe_zombie_is_not_alive(driver):
    child = subprocess.Popen(["sleep", "60"])
    handle = a_handle(pid=child.pid, started=started_at(child.pid))
    assert driver.observe(handle).alive
    child.kill()
    until(lambda: not driver.observe(handle).alive)
    assert Path(f"/proc/{child.pid}").exists()
    child.wait()


def test_past_exit_is_known_after_a_reboot(driver):
    handle = driver.start(a_uid(), shell("exit 6"))
    ended(driver, handle)
    rebooted = dataclasses.replace(handle, boot_id="another boot")
    assert driver.observe(rebooted).exit == Exit(code=6, signal=None)


def test_run_lives_as_long_as_any_of_its_processes(driver, tmp_path):
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    handle = driver.start(a_uid(), shell(script))
    grandchild = pid_in(tmp_path / "pid")
    os.kill(handle.pid, signal.SIGKILL)
    until(lambda: not lives(handle.engine_pid))
    assert driver.observe(handle) == Observation(alive=True, exit=None)
    driver.kill(handle)
    until(lambda: not lives(grandchild))
    assert driver.observe(handle) == UNKNOWN


def test_terminate_reaches_what_a_dead_shim_left_behind(driver, tmp_path):
    script = f"sleep 60 & echo $! > {tmp_path}/pid; wait"
    handle = driver.start(a_uid(), shell(script))
    grandchild = pid_in(tmp_path / "pid")
    os.kill(handle.pid, signal.SIGKILL)
    until(lambda: not lives(handle.engine_pid))
    driver.terminate(handle)
    until(lambda: not lives(grandchild))


def test_kill_works_on_a_stopped_shim(driver):
    handle = driver.start(a_uid(), SLEEP)
    os.kill(handle.pid, signal.SIGSTOP)
    driver.kill(handle)
    assert ended(driver, handle) == Exit(code=None, signal=signal.SIGKILL)


def test_reap_ends_a_run_whose_files_are_lost(driver, tmp_path):
    uid = a_uid()
    handle = driver.start(uid, shell(f"sleep 60 & echo $! > {tmp_path}/pid; wait"))
    pids = [handle.pid, handle.engine_pid, pid_in(tmp_path / "pid")]
    shutil.rmtree(driver.runs_dir / uid)
    with a_stranger():
        driver.reap(uid)
        until(lambda: not any(map(lives, pids)))


@pytest.mark.parametrize("verb", ["terminate", "kill"])
def test_gone_run_is_left_alone(driver, verb):
    handle = driver.start(a_uid(), shell("exit 0"))
    ended(driver, handle)
    with a_stranger() as stranger:
        started = started_at(stranger.pid)
        getattr(driver, verb)(handle)
        reused = dataclasses.replace(handle, pid=stranger.pid, started=started - 1)
        getattr(driver, verb)(reused)
        rebooted = dataclasses.replace(
            handle, pid=stranger.pid, started=started, boot_id="another boot"
        )
        getattr(driver, verb)(rebooted)


def test_installations_do_not_see_each_other(driver, other):
    uid = a_uid()
    mine, theirs = driver.start(uid, SLEEP), other.start(uid, SLEEP)
    os.kill(mine.pid, signal.SIGKILL)
    until(lambda: driver.owned() == {})
    driver.kill(mine)
    until(lambda: other.owned() == {uid: [theirs.pid, theirs.engine_pid]})


def test_owned_lists_descendants_too(driver, tmp_path):
    uid = a_uid()
    driver.start(uid, shell(f"setsid sleep 60 & echo $! > {tmp_path}/pid; wait"))
    grandchild = pid_in(tmp_path / "pid")
    until(lambda: len(driver.owned()[uid]) == 3)
    assert grandchild in driver.owned()[uid]


LISTEN = """
import socket, time
s = socket.socket(socket.AF_UNIX)
s.bind("io/s.sock"); s.listen(); print("ready", flush=True); time.sleep(60)
"""


def test_listens_once_there_is_a_socket(driver):
    handle = driver.start(a_uid(), SLEEP)
    assert not driver.listens(handle, None)
    socket_of(driver.runs_dir, handle.uid).touch()
    assert not driver.listens(handle, None)
    handle = driver.start(a_uid(), python(LISTEN))
    until(lambda: driver.tail(handle.uid) == "ready\n")
    assert driver.listens(handle, None)


@pytest.mark.parametrize(
    ("before", "newest", "max_bytes", "tail"),
    [
        (None, None, 10, ""),
        (None, b"hello\n", 10, "hello\n"),
        (None, b"hello\n", 3, "lo\n"),
        (b"one\n", b"two\n", 100, "one\ntwo\n"),
        (b"one\n", b"two\n", 6, "e\ntwo\n"),
        (b"one\n", b"two\n", 4, "two\n"),
        (None, "模型".encode(), 4, "\ufffd型"),
        (None, b"\xff ok", 10, "\ufffd ok"),
    ],
)
def test_tail_crosses_the_rotation(driver, before, newest, max_bytes, tail):
    uid = a_uid()
    (driver.runs_dir / uid).mkdir(parents=True)
    for name, content in (("engine.log.1", before), ("engine.log", newest)):
        if content is not None:
            (driver.runs_dir / uid / name).write_bytes(content)
    assert driver.tail(uid, max_bytes) == tail


def test_discard_deletes_ended_runs_only(driver):
    past, live, lost = a_uid(), a_uid(), a_uid()
    ended(driver, driver.start(past, shell("echo x")))
    handle = driver.start(live, SLEEP)
    driver.abandon(lost)
    (driver.runs_dir / "lost+found").mkdir()
    assert sorted(driver.run_uids()) == sorted([past, live, lost])
    for uid in (past, live, lost, a_uid()):
        driver.discard(uid)
    assert driver.run_uids() == [live]
    assert driver.find(live) == handle


@pytest.mark.parametrize(
    "uid", ["", "..", "../../etc", "A" * 32, "a" * 31, "a" * 33, "a" * 32 + "\n"]
)
def test_uid_that_is_no_uid_is_refused(driver, uid):
    steps = [driver.find, driver.abandon, driver.tail, driver.discard]
    for step in steps:
        with pytest.raises(ValueError, match="not a run uid"):
            step(uid)
    with pytest.raises(ValueError, match="not a run uid"):
        driver.start(uid, SLEEP)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_claim_lost_with_power_is_no_claim(driver, content):
    uid = a_uid()
    (driver.runs_dir / uid).mkdir(parents=True)
    (driver.runs_dir / uid / "claim.json").write_bytes(content)
    assert driver.find(uid) is None
    assert not driver.abandon(uid)


def test_handle_survives_json():
    handle = a_handle(engine_pid=5)
    assert Handle.from_json(handle.to_json()) == handle


def test_start_leaves_no_open_file(driver):
    before = files_of_runs(driver)
    driver.start(a_uid(), SLEEP)
    assert files_of_runs(driver) == before


def files_of_runs(driver):
    """Open in this process: of run folders, or pipes. Other threads of the tests may
    open others meanwhile."""
    fds = list(Path("/proc/self/fd").iterdir())
    targets = [str(fd.readlink()) for fd in fds if fd.is_symlink()]
    marks = (str(driver.runs_dir), "pipe:", "anon_inode:[pidfd]")
    return sorted(target for target in targets if target.startswith(marks))


def test_cpu_seconds_are_those_of_all_its_processes(driver):
    handle = driver.start(a_uid(), shell("while :; do :; done & while :; do :; done"))
    until(lambda: driver.cpu_seconds(handle) > 1)
    idle = driver.start(a_uid(), SLEEP)
    assert driver.cpu_seconds(idle) < 0.5
    driver.kill(handle)
    ended(driver, handle)
    # The last process of the run may take a moment longer than its shim.
    until(lambda: driver.cpu_seconds(handle) == 0)
