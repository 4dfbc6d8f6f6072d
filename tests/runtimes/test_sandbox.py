"""What an engine can reach, and what other users of the machine can reach of it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from common.network.sockets import socket_of
from runtimes import sandbox
from runtimes.drivers.base import Bounds
from runtimes.drivers.isolation import FIRST_USER, LAST_USER, user_of
from runtimes.drivers.process import ProcessDriver
from tests.runtimes.processes import a_uid, ended, kill_owned, python, shell, until

IS_ROOT = os.geteuid() == 0
# Engines of another installation, services, people: none has to do with ours.
STRANGER = 65_534


@pytest.fixture
def folders(short_path):
    """Of an installation."""
    data_dir = short_path
    (data_dir / "secret_key").write_text("sesame")
    (data_dir / "models").mkdir()
    (data_dir / "models" / "m.gguf").write_text("weights")
    (data_dir / "models" / "m.gguf").chmod(0o600)
    return data_dir


@pytest.fixture
def driver(folders):
    isolation = {"user": 0, "write": (), "home": folders / "engine-home"}
    driver = ProcessDriver(folders / "runs", a_uid(), isolation=isolation)
    yield driver
    kill_owned(driver)


def result(driver, folders, script, gpus=()):
    uid = a_uid()
    bounds = Bounds(readable=(folders / "models",), gpu_uuids=gpus)
    ended(driver, driver.start(uid, shell(script), bounds))
    return driver.tail(uid)


def test_this_machine_has_what_the_tests_are_about():
    assert sandbox.landlock_abi() >= 1


@pytest.mark.parametrize(
    ("script", "works"),
    [
        ("cat {data}/models/m.gguf", True),
        ("cat {data}/secret_key", False),
        ("ls {data}", False),
        ("ls {data}/runs", False),
        ("cat ../claim.json", False),
        ("cat /etc/shadow", False),
        ("cat /proc/{pid}/environ", False),
        ("kill -0 {pid}", False),
        ("touch {data}/models/x", False),
        ("touch {data}/x", False),
        ("touch x $TMPDIR/x $HOME/x", True),
        ("echo x > /dev/null", True),
        ("mv ../claim.json .", False),
        ("ln -s {data}/secret_key s && cat s", False),
    ],
)
def test_engine_reaches_models_and_its_own_files_only(driver, folders, script, works):
    command = script.format(data=folders, pid=os.getpid())
    seen = result(driver, folders, f"({command}) && echo WORKED")
    assert seen.rstrip().endswith("WORKED") is works, seen
    assert "sesame" not in seen


NAME_THREAD = "echo a-name > /proc/self/task/$$/comm"


@pytest.mark.parametrize(("gpus", "works"), [(("GPU-1",), True), ((), False)])
@pytest.mark.parametrize("command", [NAME_THREAD, f"sh -c '{NAME_THREAD}; true'"])
def test_engine_with_gpus_names_its_threads_as_cuda_does(
    driver, folders, command, gpus, works
):
    seen = result(driver, folders, command, gpus)
    assert ("Permission denied" not in seen) is works, seen


@pytest.mark.parametrize(
    "attempt",
    [
        "cat {data}/secret_key",
        "echo x > {data}/secret_key",
        "echo 900 > /proc/1/oom_score_adj",
        "echo x > /proc/{pid}/mem",
        "cat /proc/{pid}/environ",
    ],
)
def test_engine_with_gpus_reaches_nothing_else(driver, folders, attempt):
    command = attempt.format(data=folders, pid=os.getpid())
    seen = result(driver, folders, f"({command}) && echo WORKED", ("GPU-1",))
    assert "WORKED" not in seen and "sesame" not in seen


def test_engine_has_no_privileges_to_gain(driver, folders):
    seen = result(driver, folders, "id -u; grep -E 'CapEff|NoNew' /proc/self/status")
    user, effective, no_new = seen.split()[0], seen.split()[2], seen.split()[4]
    assert no_new == "1"
    # Reading files of others, below the folders of the policy
    assert int(effective, 16) == (1 << sandbox.CAP_DAC_READ_SEARCH if IS_ROOT else 0)
    assert (int(user) != 0) and (FIRST_USER <= int(user) <= LAST_USER) is IS_ROOT


def test_installations_have_users_of_their_own():
    users = {user_of(f"installation {number}") for number in range(20)}
    assert len(users) > 18
    assert all(FIRST_USER <= user <= LAST_USER for user in users)


SERVE = """
import socket, time
server = socket.socket(socket.AF_UNIX)
server.bind({path!r}); server.listen(); print("ready", flush=True)
time.sleep(60)
"""
ATTEMPTS = {
    "call": "s = socket.socket(socket.AF_UNIX); s.connect({path!r})",
    "replace": "os.unlink({path!r}); socket.socket(socket.AF_UNIX).bind({path!r})",
    "read": "open({log!r}).read()",
    "look": "os.stat({path!r})",
    "environment": "open('/proc/{pid}/environ').read()",
    "stop": "os.kill({pid}, 15)",
}


@pytest.mark.parametrize("attempt", ATTEMPTS if IS_ROOT else ())
def test_another_user_cannot_reach_an_engine(driver, attempt):
    uid = a_uid()
    path = str(socket_of(driver.runs_dir, uid))
    handle = driver.start(uid, python(SERVE.format(path=path)))
    until(lambda: driver.tail(uid) == "ready\n")
    text = ATTEMPTS[attempt].format(
        path=path, log=str(driver.runs_dir / uid / "engine.log"), pid=handle.engine_pid
    )
    code = f"import os, socket\ntry:\n    {text}\nexcept PermissionError: print('no')"
    done = subprocess.run(
        ["/usr/bin/python3", "-c", code],
        user=STRANGER, group=STRANGER, extra_groups=[],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("no\n", "")
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(path)


def test_what_an_engine_wrote_is_gone_when_it_has_ended(driver, folders):
    script = "mkdir -p $TMPDIR/a/b; touch $TMPDIR/a/b/c; echo $TMPDIR"
    assert not Path(result(driver, folders, script).strip()).exists()


def test_folder_of_somebody_else_is_not_used(driver, folders):
    home = driver.isolation.home
    home.parent.mkdir()
    home.symlink_to(folders / "models")
    with pytest.raises(Exception, match="launch_failed"):
        driver.start(a_uid(), shell("echo hello"))


def test_engine_dies_with_its_shim(driver):
    handle = driver.start(a_uid(), shell("sleep 60"))
    os.kill(handle.pid, 9)
    until(lambda: not Path(f"/proc/{handle.engine_pid}").exists())


def test_kernel_without_landlock_takes_capabilities_all_the_same(tmp_path):
    """As where the system call is not known: this seccomp filter refuses it."""
    policy = {"read": [], "write": [], "user": 61_500, "groups": [], "cwd": "/"}
    code = (
        f"import sys; sys.path.insert(0, {str(Path(sandbox.__file__).parent)!r})\n"
        "import sandbox\n"
        "sandbox.CREATE_RULESET = 100_000\n"
        f"sandbox.main({policy!r}, ['/bin/grep', 'CapEff', '/proc/self/status'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[1], 16) == 0


@pytest.mark.parametrize("program", ["llama-server", "./llama-server"])
def test_program_without_a_path_opens_no_folder(driver, folders, program):
    policy = driver.isolation.policy(Path(program), [], [folders], [])
    assert all(path.startswith("/") for path in policy["read"])
    assert str(Path.cwd()) not in policy["read"]


def test_policy_is_json(driver, folders):
    policy = driver.isolation.policy(folders, [], [folders], [])
    assert json.loads(json.dumps(policy))["cwd"] == str(folders)
