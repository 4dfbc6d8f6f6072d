import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtimes import proc, shim, shim_memory
from runtimes.drivers.base import Bounds
from runtimes.frameworks.base import Exit
from tests.runtimes.processes import (
    SLEEP,
    a_uid,
    ended,
    lives,
    open_files,
    pid_in,
    python,
    shell,
    until,
)

START_SHIM = [sys.executable, "-I", "-S", shim.__file__]


def a_run_dir(tmp_path, script, log_bytes=1_000_000):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    spec = {
        "uid": a_uid(),
        "argv": ["/bin/sh", "-c", script],
        "env": {"PATH": os.defpath},
        "stdin": "",
        "log_bytes": log_bytes,
    }
    (run_dir / "spec.json").write_text(json.dumps(spec))
    return run_dir


def run_to_the_end(run_dir):
    subprocess.run([*START_SHIM, run_dir], check=True)
    until((run_dir / "exit.json").exists)
    return json.loads((run_dir / "exit.json").read_text())


@pytest.mark.parametrize(
    ("script", "exit"),
    [
        ("exit 0", Exit(code=0, signal=None)),
        ("exit 3", Exit(code=3, signal=None)),
        ("kill -SEGV $$", Exit(code=None, signal=signal.SIGSEGV)),
        ("kill -KILL $$", Exit(code=None, signal=signal.SIGKILL)),
    ],
)
def test_exit_code_or_signal_is_recorded(driver, script, exit):
    assert ended(driver, driver.start(a_uid(), shell(script))) == exit


def test_engine_gets_stdin_and_then_its_end(driver):
    uid = a_uid()
    text = "π" * 300_000
    handle = driver.start(uid, python("import sys; print(len(sys.stdin.read()))", text))
    ended(driver, handle)
    assert driver.tail(uid) == "300000\n"


def test_engine_gets_default_signals_and_no_core_file(driver):
    uid = a_uid()
    handle = driver.start(
        uid, shell("grep -E 'SigBlk|SigIgn' /proc/self/status; ulimit -c")
    )
    ended(driver, handle)
    assert driver.tail(uid).split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16, "0"]


def test_engine_has_only_the_three_standard_descriptors(driver):
    handle = driver.start(a_uid(), SLEEP)
    assert open_files(handle.engine_pid) == {"0", "1", "2"}


def test_program_that_is_not_there_is_reported_in_the_log(driver):
    uid = a_uid()
    handle = driver.start(uid, shell("exec /nowhere/engine"))
    assert ended(driver, handle).code == 127
    assert "/nowhere/engine" in driver.tail(uid)


def test_command_that_cannot_be_executed_is_reported_in_the_log(tmp_path):
    run_dir = a_run_dir(tmp_path, "")
    spec = json.loads((run_dir / "spec.json").read_text())
    spec["argv"] = ["/nowhere/engine"]
    (run_dir / "spec.json").write_text(json.dumps(spec))
    assert run_to_the_end(run_dir)["code"] == 127
    assert (run_dir / "engine.log").read_text() == (
        "shim: cannot execute the engine: "
        "[Errno 2] No such file or directory: '/nowhere/engine'\n"
    )


def test_two_shims_start_one_engine(tmp_path):
    run_dir = a_run_dir(tmp_path, "echo started; exec sleep 60")
    both = [subprocess.Popen([*START_SHIM, run_dir]) for _ in range(2)]
    assert [shim.wait(10) for shim in both] == [0, 0]
    claim = json.loads((run_dir / "claim.json").read_text())
    os.kill(claim["pid"], signal.SIGTERM)
    until((run_dir / "exit.json").exists)
    assert (run_dir / "engine.log").read_text() == "started\n"
    assert sorted(path.name for path in run_dir.iterdir()) == [
        "claim.json", "engine.log", "exit.json",
    ]  # fmt: skip


def test_many_callers_at_once_get_the_same_engine(driver):
    uid = a_uid()
    with ThreadPoolExecutor(8) as pool:
        handles = list(pool.map(lambda _: driver.start(uid, SLEEP), range(8)))
    assert len({handle.pid for handle in handles}) == 1
    until(lambda: len(driver.owned()[uid]) == 2)
    assert not (driver.runs_dir / uid / "spec.json").exists()


def test_engine_is_no_child_of_its_starter(driver):
    handle = driver.start(a_uid(), SLEEP)
    assert int(proc.stat_fields(handle.pid)[proc.PARENT]) != os.getpid()
    assert os.getsid(handle.pid) == handle.pid
    assert os.getsid(handle.engine_pid) == os.getpgid(handle.engine_pid)
    assert os.getsid(handle.engine_pid) == handle.engine_pid
    with pytest.raises(ChildProcessError):
        os.waitpid(handle.pid, os.WNOHANG)


def test_kill_9_of_the_shim_kills_the_engine(driver):
    handle = driver.start(a_uid(), SLEEP)
    os.kill(handle.pid, signal.SIGKILL)
    until(lambda: not lives(handle.engine_pid))
    assert ended(driver, handle) == Exit(code=None, signal=None)


def test_kill_9_of_the_engine_is_recorded(driver):
    handle = driver.start(a_uid(), SLEEP)
    os.kill(handle.engine_pid, signal.SIGKILL)
    assert ended(driver, handle) == Exit(code=None, signal=signal.SIGKILL)


def test_sigterm_is_passed_on_to_the_whole_group(driver, tmp_path):
    script = f"""
        (trap 'echo child; exit' TERM; touch {tmp_path}/child; sleep 60 & wait) &
        trap 'wait; echo parent; exit 7' TERM
        until [ -e {tmp_path}/child ]; do sleep 0.01; done
        echo $$ > {tmp_path}/ready; wait
    """
    uid = a_uid()
    handle = driver.start(uid, shell(script))
    pid_in(tmp_path / "ready")
    driver.terminate(handle)
    assert ended(driver, handle) == Exit(code=7, signal=None)
    assert sorted(driver.tail(uid).split()) == ["child", "parent"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGPIPE])
def test_other_signals_do_not_end_the_shim(driver, number):
    handle = driver.start(a_uid(), SLEEP)
    os.kill(handle.pid, number)
    os.kill(handle.pid, signal.SIGTERM)
    assert ended(driver, handle) == Exit(code=None, signal=signal.SIGTERM)


def test_kill_ends_what_ignores_sigterm_and_has_left_the_group(driver, tmp_path):
    script = f"""
        trap '' TERM
        setsid sh -c 'echo $$ > {tmp_path}/pid; while :; do sleep 60; done' &
        while :; do sleep 60; done
    """
    handle = driver.start(a_uid(), shell(script))
    grandchild = pid_in(tmp_path / "pid")
    driver.terminate(handle)
    driver.kill(handle)
    assert ended(driver, handle) == Exit(code=None, signal=signal.SIGKILL)
    assert not lives(grandchild)
    until(lambda: driver.owned() == {})


def test_what_the_engine_leaves_behind_dies_with_it(driver, tmp_path):
    script = f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 60' & "
    script += f"until [ -s {tmp_path}/pid ]; do :; done; exit 5"
    handle = driver.start(a_uid(), shell(script))
    grandchild = pid_in(tmp_path / "pid")
    assert ended(driver, handle) == Exit(code=5, signal=None)
    assert not lives(grandchild)


def test_orphans_are_reaped_while_the_engine_runs(driver, tmp_path):
    script = f"(sh -c 'echo $$ > {tmp_path}/pid' &) ; exec sleep 60"
    handle = driver.start(a_uid(), shell(script))
    orphan = pid_in(tmp_path / "pid")
    until(lambda: not Path(f"/proc/{orphan}").exists())
    assert driver.observe(handle).alive


def test_engine_that_closes_its_output_runs_on(driver):
    handle = driver.start(a_uid(), shell("exec >&- 2>&-; exec sleep 60"))
    time.sleep(0.2)
    assert driver.observe(handle).alive
    ticks = proc.stat_fields(handle.pid)
    assert int(ticks[14]) + int(ticks[15]) < 15  # no busy loop on the closed pipe


def test_log_keeps_the_newest_lines_within_its_limit(tmp_path):
    run_dir = a_run_dir(tmp_path, "seq 1 100000", log_bytes=100_000)
    run_to_the_end(run_dir)
    newest = (run_dir / "engine.log").read_bytes()
    before = (run_dir / "engine.log.1").read_bytes()
    assert len(newest) <= 50_000
    assert len(before) == 50_000
    lines = (before + newest).decode().splitlines()
    assert lines[1:] == [str(n) for n in range(int(lines[1]), 100_001)]


def test_log_of_a_run_takes_16_mib_at_most(driver):
    uid = a_uid()
    ended(driver, driver.start(uid, shell("head -c 30000000 /dev/zero; echo end")))
    sizes = [path.stat().st_size for path in (driver.runs_dir / uid).glob("*.log*")]
    assert len(sizes) == 2
    assert sum(sizes) <= 16 * 1024 * 1024
    assert driver.tail(uid, 4) == "end\n"


def test_full_disk_loses_log_lines_and_nothing_else(tmp_path):
    run_dir = a_run_dir(tmp_path, "head -c 1000000 /dev/zero; exit 4")
    (run_dir / "engine.log").symlink_to("/dev/full")
    assert run_to_the_end(run_dir)["code"] == 4


def test_log_goes_on_when_there_is_room_again(tmp_path):
    # More than a pipe holds: when the engine goes on, most of it has been dropped.
    script = "head -c 200000 /dev/zero; touch written; "
    script += "until [ -e room ]; do sleep 0.01; done; echo kept"
    run_dir = a_run_dir(tmp_path, script)
    (run_dir / "engine.log").symlink_to("/dev/full")
    subprocess.run([*START_SHIM, run_dir], check=True)
    until((run_dir / "written").exists)
    (run_dir / "engine.log").unlink()
    (run_dir / "room").touch()
    until((run_dir / "exit.json").exists)
    log = (run_dir / "engine.log").read_bytes()
    assert log.endswith(b"kept\n")
    assert len(log) < 100_000


def test_run_folder_that_disappears_does_not_end_the_engine(driver, tmp_path):
    script = f"until [ -e {tmp_path}/go ]; do sleep 0.01; done; "
    # More than a pipe holds: the shim must go on reading.
    script += f"seq 100000; echo $$ > {tmp_path}/went; exec sleep 60"
    handle = driver.start(a_uid(), shell(script))
    driver.runs_dir.rename(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "elsewhere")
    (tmp_path / "go").touch()
    assert pid_in(tmp_path / "went") == handle.engine_pid
    assert driver.observe(handle).alive


def test_shim_loads_few_modules():
    check = f"import sys; sys.path.insert(0, {str(Path(shim.__file__).parents[1])!r})\n"
    check += "import runtimes.shim; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", check],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    heavy = {"typing", "pathlib", "subprocess", "logging", "threading", "site"}
    assert heavy & set(done.stdout.split()) == set()


def test_process_that_is_no_descendant_does_not_count():
    with subprocess.Popen(["sleep", "60"]) as parent:
        limit = shim_memory.MemoryLimit(parent.pid, 20)
        limit.measured_at -= 1
        limit.pids = [os.getpid()]  # as if an id had been reused
        assert shim_memory.unreclaimable_kib(limit.pids) > 20 * 1024
        assert not limit.is_exceeded()
        assert limit.pids == []
        parent.kill()


FILL = "import time; x = b'x' * ({mib} * 2**20); print('full', flush=True); {then}"


@pytest.mark.parametrize(
    ("code", "is_exceeded"),
    [
        (FILL.format(mib=200, then="time.sleep(60)"), True),
        (f"import os; os.fork(); {FILL.format(mib=60, then='time.sleep(60)')}", True),
        (FILL.format(mib=40, then=""), False),
        (
            "import os, time\n"
            "if os.fork() == 0:\n"
            "    if os.fork():\n"
            "        os._exit(0)\n"
            "    x = b'x' * (200 * 2**20)\n"
            "time.sleep(60)",
            True,
        ),
        # A mapped file can be dropped from memory at any time.
        (
            "import mmap, os; f = os.open('big', os.O_RDWR | os.O_CREAT)\n"
            "os.truncate(f, 200 * 2**20)\n"
            "m = mmap.mmap(f, 0, mmap.MAP_SHARED, mmap.PROT_READ)\n"
            "print(sum(m[i] for i in range(0, len(m), 4096)))",
            False,
        ),
    ],
)
def test_engine_that_takes_more_memory_than_assigned_is_killed(
    driver, code, is_exceeded
):
    handle = driver.start(a_uid(), python(code), Bounds(memory_mib=100))
    exit = ended(driver, handle)
    seen = driver.observe(handle)
    assert seen.reason == ("memory_exceeded" if is_exceeded else "")
    assert (exit.signal, exit.code) == ((9, None) if is_exceeded else (None, 0))
