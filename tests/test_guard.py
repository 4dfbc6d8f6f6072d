"""Nothing outlives a test run."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import guard
from tests.runtimes.processes import lives, pid_in, until

DETACH = """
import os, sys, time
from pathlib import Path

def detach(file):
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    Path(file).write_text(str(os.getpid()))
    time.sleep(600)
"""
LEAVE_ONE = DETACH + "detach(sys.argv[1])\n"
HANG = LEAVE_ONE + "Path(sys.argv[2]).write_text(str(os.getpid()))\ntime.sleep(600)\n"
TEST = """
import subprocess

def test_leaks():
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    left.returncode = 0  # it is not waited for on purpose
    print("left", left.pid)
"""
TOOLS = ("-p", "no:django", "-p", "no:cacheprovider", "-c", os.devnull)


def start(*command, **options) -> subprocess.Popen:
    argv = [sys.executable, guard.__file__, *map(str, command)]
    return subprocess.Popen(argv, text=True, stderr=subprocess.PIPE, **options)


def finish(process) -> tuple[int, str]:
    """(exit code, what was reported)"""
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize("code", [0, 1, 5])
def test_exit_code_is_the_commands(code):
    process = start(sys.executable, "-c", f"raise SystemExit({code})")
    assert finish(process) == (code, "")


def test_killed_command_fails():
    kill = "import os; os.kill(os.getpid(), 9)"
    assert finish(start(sys.executable, "-c", kill)) == (128 + signal.SIGKILL, "")


@pytest.mark.parametrize("victim", ["command", "guard", "starter"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_run_leaves_nothing(tmp_path, victim, number):
    files = tmp_path / "detached", tmp_path / "command"
    starter = start(sys.executable, "-c", HANG, *files)
    detached, command = map(pid_in, files)
    guard_pid = psutil.Process(command).ppid()
    pids = {"command": command, "guard": guard_pid, "starter": starter.pid}
    os.kill(pids[victim], number)
    assert finish(starter)[0] != 0
    until(lambda: not any(map(lives, [detached, *pids.values()])), 30)


def test_process_left_behind_is_named_and_killed_and_fails_the_run(tmp_path):
    file = tmp_path / "detached"
    code, errors = finish(start(sys.executable, "-c", LEAVE_ONE, file))
    assert code == 1
    assert errors.startswith(f"FAILED left running: {pid_in(file)} {sys.executable}")
    assert not lives(pid_in(file))


def test_pytest_that_leaves_a_process_behind_fails_and_names_the_test(tmp_path):
    test = tmp_path / "test_it.py"
    test.write_text(TEST)
    run = start(
        *(sys.executable, "-m", "pytest", *TOOLS, "-s", test), stdout=subprocess.PIPE
    )
    output, errors = run.communicate(timeout=60)
    [pid] = re.findall(r"left (\d+)", output)
    assert run.returncode == 1
    assert errors.endswith(
        f"{pid} sleep 600 (started in test_it.py::test_leaks (call))\n"
    )
    assert not lives(int(pid))


def test_process_that_ends_in_time_is_none_left_behind():
    slow = "import subprocess; subprocess.Popen(['sleep', '0.5'])"
    assert finish(start(sys.executable, "-c", slow)) == (0, "")


def test_interrupt_reaches_the_command_alone():
    wait = """
import time
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    raise SystemExit(7)
"""
    process = start(sys.executable, "-c", wait, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert finish(process) == (7, "")


def test_temporary_files_of_a_run_are_removed(tmp_path):
    place = "import sys, tempfile; print(tempfile.mkdtemp(), end='')"
    process = start(sys.executable, "-c", place, stdout=subprocess.PIPE)
    folder, _ = process.communicate(timeout=60)
    assert folder.startswith("/tmp/llmt-")
    assert not Path(folder).exists()
