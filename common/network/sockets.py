"""Unix sockets of engines that run as processes: one for each run, in a folder that no
other user of the machine can enter."""

from __future__ import annotations

from pathlib import Path

# In the folder of a run. The engine can write to this one and to nothing beside it.
FOLDER = "io"
# Ends in .sock: for llama.cpp such a host is a Unix socket.
NAME = "s.sock"
# sun_path of Linux, without the final NUL
MAX_PATH_BYTES = 107


def socket_of(runs_dir: Path, uid: str) -> Path:
    return runs_dir / uid / FOLDER / NAME


def longest_socket(runs_dir: Path) -> Path:
    """As long as any in that folder: a uid has 32 characters."""
    return socket_of(runs_dir, "f" * 32)
