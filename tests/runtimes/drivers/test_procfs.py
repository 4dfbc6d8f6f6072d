import os
import signal
import socket
import subprocess
import sys

import pytest

from runtimes.drivers import procfs
from runtimes.proc import started_at
from tests.runtimes.processes import until


def test_send_reaches_the_very_process():
    with subprocess.Popen(["sleep", "60"]) as process:
        assert procfs.send(process.pid, started_at(process.pid), signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM


def test_send_spares_a_later_process_with_this_pid():
    with subprocess.Popen(["sleep", "60"]) as process:
        started = started_at(process.pid)
        assert not procfs.send(process.pid, started - 1, signal.SIGKILL)
        assert process.poll() is None
        process.kill()
    assert not procfs.send(process.pid, started, signal.SIGKILL)


def test_environment_is_read_whole():
    env = {"A": "1=2", "B": "", "C": "模型"}
    with subprocess.Popen(["sleep", "60"], env=env) as process:
        # Before exec, the child still has the environment of its parent.
        until(lambda: b"A" in procfs.environment(process.pid))
        seen = procfs.environment(process.pid)
        process.kill()
    assert (seen[b"A"], seen[b"B"], seen[b"C"]) == (b"1=2", b"", "模型".encode())
    assert procfs.environment(process.pid) == {}


def test_own_pids_include_this_process():
    assert os.getpid() in set(procfs.own_pids())


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, ""),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "::"),
    ],
)
def test_port_is_in_use_whatever_the_address(family, address):
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        assert port in procfs.ports_in_use()
        assert server.fileno()
    assert port not in procfs.ports_in_use()


MIB = 2**20


def test_memory_is_that_of_all_and_files_count_once():
    code = f"x = b'x' * {50 * MIB}; print(flush=True); input()"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    for process in both:
        process.stdout.readline()
    one, two = (
        procfs.memory_kib([both[0].pid]),
        procfs.memory_kib([p.pid for p in both]),
    )
    for process in both:
        process.communicate(b"\n")
    assert 50 < one / 1024 < 80
    assert 100 < two / 1024 < 2 * one / 1024
    assert procfs.memory_kib([both[0].pid, 2**22 + 1]) == 0
