import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import preflight

SCRIPT = Path(preflight.__file__)


@pytest.fixture
def listener():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def problems(*ports, allow_ours=True, data_dir=Path("/nowhere")):
    return list(preflight.port_problems(list(ports), data_dir, allow_ours))


def test_port_taken_by_a_stranger_is_named_with_its_holder(listener):
    [problem] = problems(f"WEB_PORT={listener}")
    assert f"port {listener} (WEB_PORT)" in problem
    assert f"(pid {os.getpid()})" in problem


@pytest.mark.parametrize(("allow_ours", "count"), [(True, 0), (False, 1)])
def test_port_of_our_own_role(listener, allow_ours, count):
    data_dir = Path(os.environ["DATA_DIR"])
    holder = subprocess.Popen(
        [sys.executable, "-c", LISTEN],
        env={"DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        text=True,
    )
    taken = holder.stdout.readline().strip()
    found = problems(f"API_PORT={taken}", allow_ours=allow_ours, data_dir=data_dir)
    holder.kill()
    holder.communicate()
    assert len(found) == count


LISTEN = """
import socket
s = socket.socket()
s.bind(("0.0.0.0", 0))
s.listen()
print(s.getsockname()[1], flush=True)
s.accept()
"""


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        (["WEB_PORT=x"], "must be between 1 and 65535, not 'x'"),
        (["WEB_PORT=0"], "between 1 and 65535, not '0'"),
        (["WEB_PORT=65536"], "between 1 and 65535, not '65536'"),
        (["WEB_PORT=٣"], "must be between 1 and 65535"),
        (["WEB_PORT=64999", "API_PORT=64999"], "API_PORT and WEB_PORT are both 64999"),
    ],
)
def test_port_that_cannot_be(ports, words):
    assert words in problems(*ports)[0]


def test_place_that_is_fine(tmp_path):
    assert list(preflight.place_problems(tmp_path / "venv", tmp_path / "var")) == []


def test_data_dir_too_long_for_sockets():
    data_dir = Path("/tmp/" + 79 * "x")
    [problem] = preflight.place_problems(Path(sys.prefix), data_dir)
    assert "too long for the Unix sockets in it: at most 83 bytes" in problem
    assert len(os.fsencode(data_dir)) == 84


def test_data_dir_that_supervisord_does_not_take():
    # Short: a temporary folder of pytest may be too long for sockets as well.
    [problem] = preflight.place_problems(Path(sys.prefix), Path("/tmp/100%x"))
    assert "100%x has a '%'" in problem


def test_disk_that_is_too_small(tmp_path):
    free = shutil.disk_usage(tmp_path).free // 2**20
    [problem] = preflight.disk_problems(tmp_path / "a" / "b", free + 1000, "DATA_DIR")
    assert f"needs {free + 1000} MiB" in problem


def test_program_prints_problems_and_ends_with_1(listener, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-I", SCRIPT, "--data-dir", tmp_path),
            *("--venv", sys.prefix, f"WEB_PORT={listener}"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {listener} (WEB_PORT) is taken by")
