"""Say what would keep the platform from starting, before anything is started.

Runs on the system's Python before anything is installed: standard library only.
Prints one line per problem and ends with 1 if there is any.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

# sun_path holds 108 bytes with its closing NUL; supervisord first binds
# supervisor.sock.PID.
SOCKET_PATH_BYTES = 107
LONGEST_SOCKET = "/supervisor.sock.4194304"
VENV_MIB = 1000
DATA_MIB = 500
LISTEN = "0A"


def main() -> int:
    options = arguments()
    check_ports = partial(
        port_problems, options.ports, options.data_dir, not options.free
    )
    problems = list(check_ports())
    deadline = time.monotonic() + options.wait
    while problems and time.monotonic() < deadline:
        time.sleep(0.2)
        problems = list(
            port_problems(options.ports, options.data_dir, not options.free)
        )
    if not options.free:
        problems += place_problems(options.venv, options.data_dir)
    for problem in problems:
        sys.stderr.write(f"error: {problem}\n")
    return 1 if problems else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument(
        "--free", action="store_true", help="ports only: our own roles are gone too"
    )
    parser.add_argument("--wait", type=float, default=0, help="seconds for ports")
    parser.add_argument("ports", nargs="+", metavar="NAME=PORT")
    return parser.parse_args()


def place_problems(venv: Path, data_dir: Path) -> Iterator[str]:
    if len(os.fsencode(data_dir)) + len(LONGEST_SOCKET) > SOCKET_PATH_BYTES:
        yield (
            f"DATA_DIR {data_dir} is too long for the Unix sockets in it: at most"
            f" {SOCKET_PATH_BYTES - len(LONGEST_SOCKET)} bytes"
        )
    if "%" in str(data_dir):
        yield f"DATA_DIR {data_dir} has a '%', which supervisord does not take"
    if not os.access(existing(data_dir), os.W_OK | os.X_OK):
        yield f"DATA_DIR {data_dir} cannot be written by this user"
    yield from disk_problems(data_dir, DATA_MIB, "DATA_DIR")
    if not (venv / "bin" / "python").exists():
        yield from disk_problems(venv, VENV_MIB, "the virtual environment")
        if not importlib.util.find_spec("ensurepip"):
            yield (
                f"{sys.executable} cannot make virtual environments; on Debian and"
                " Ubuntu: apt-get install python3-venv"
            )


def disk_problems(place: Path, needed_mib: int, what: str) -> Iterator[str]:
    free_mib = shutil.disk_usage(existing(place)).free // 2**20
    if free_mib < needed_mib:
        yield (
            f"{what} {place} needs {needed_mib} MiB of disk space;"
            f" {free_mib} MiB are free"
        )


def existing(place: Path) -> Path:
    while not place.exists():
        place = place.parent
    return place


def port_problems(ports: list[str], data_dir: Path, allow_ours: bool) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name, _, port in (item.partition("=") for item in ports):
        if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
            yield f"{name} must be between 1 and 65535, not {port!r}"
        elif port in seen:
            yield f"{name} and {seen[port]} are both {port}; each needs its own port"
        elif reason := unusable(int(port), data_dir, allow_ours):
            yield f"port {port} ({name}) {reason}. Free it, or set {name}=another port"
        seen[port] = name


def unusable(port: int, data_dir: Path, allow_ours: bool) -> str:
    """Why a role could not listen there; empty if it could."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 -- as the roles will
            return ""
        except PermissionError:
            return "may not be used by this user"
        except OSError:
            pass
    pid = holder(port)
    if allow_ours and pid and b"DATA_DIR=" + os.fsencode(data_dir) in environ(pid):
        return ""
    return f"is taken by {name_of(pid)}"


def holder(port: int) -> int | None:
    """Pid of who listens on a TCP port; None for a process of another user."""
    inodes = {f"socket:[{inode}]" for inode in listening(port)}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) in inodes:
                return int(descriptor.parts[2])
    return None


def listening(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN and int(fields[1].split(":")[1], 16) == port:
                    yield fields[9]


def environ(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def name_of(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        # argv of strangers may hold secrets: the program's name is enough.
        return f"{Path(command.split(chr(0))[0]).name} (pid {pid})"
    return f"pid {pid}"


if __name__ == "__main__":
    sys.exit(main())
