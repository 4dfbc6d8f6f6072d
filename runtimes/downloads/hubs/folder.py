"""The folder of a download: hidden until it is complete, then renamed. Pure.

An incomplete model is never visible under the final name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from runtimes.downloads.hubs.remote import OWN_FOLDER, Failed, RemoteFile

PART = re.compile(r"\.(?P<folder>.+)\.(?P<uid>[0-9a-f]{32})\.part")
READ_BYTES = 4 * 1024 * 1024


def part_of(root: Path, folder: str, uid: str) -> Path:
    return root / f".{folder}.{uid}.part"


def parts_in(root: Path) -> dict[str, Path]:
    """By uid of the download."""
    try:
        found = [(PART.fullmatch(path.name), path) for path in root.iterdir()]
    except OSError:
        return {}
    return {match["uid"]: path for match, path in found if match}


def hold(part: Path) -> int:
    """Create and lock it. The lock lasts until the returned descriptor is closed or
    this process ends. Raises Failed when another process holds it."""
    part.mkdir(mode=0o755, exist_ok=True)
    held = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise Failed("download_is_held", passing=True) from None
    return held


def bytes_in(folder: Path) -> int:
    """Of regular files; files deleted meanwhile do not count."""
    total = 0
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != OWN_FOLDER]
        for name in names:
            try:
                status = Path(base, name).lstat()
            except OSError:
                continue
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def check_space(part: Path, needed: int, reserve: int) -> None:
    """needed: bytes of all files, including those fetched already. Raises Failed."""
    missing = max(0, needed - bytes_in(part))
    free = shutil.disk_usage(part).free
    if missing + reserve > free:
        raise Failed(
            "disk_too_small",
            path=str(part.parent),
            needed=_mib(missing),
            free=_mib(free),
            reserve=_mib(reserve),
        )


def _mib(size: int) -> int:
    return -(-size // 2**20)


def wrong_files(
    part: Path, files: Sequence[RemoteFile], on_read: Callable[[int], None]
) -> list[RemoteFile]:
    """Files whose content differs from the hub's. on_read: receives the bytes read so
    far. Correct files are synced to disk."""
    wrong, read = [], 0
    for file in files:
        if not _is_right(part / file.path, file, lambda size: on_read(read + size)):  # noqa: B023 -- called at once
            wrong.append(file)
        read += file.size
    return wrong


def _is_right(path: Path, file: RemoteFile, on_read: Callable[[int], None]) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.sha256:
        digest, expected = hashlib.sha256(), file.sha256
    else:
        # Git's name of the content: detects errors, not attacks.
        digest, expected = hashlib.sha1(usedforsecurity=False), file.git_sha1
        digest.update(f"blob {file.size}\0".encode())
    read = 0
    with path.open("rb") as opened:
        while chunk := opened.read(READ_BYTES):
            digest.update(chunk)
            read += len(chunk)
            on_read(read)
        os.fsync(opened.fileno())
    return not expected or digest.hexdigest() == expected


def discard_files(part: Path, files: Sequence[RemoteFile]) -> None:
    for file in files:
        path = part / file.path
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def publish(part: Path, target: Path) -> None:
    """Raises Failed if the target exists."""
    shutil.rmtree(part / OWN_FOLDER, ignore_errors=True)
    check_absent(target)
    try:
        part.rename(target)
    except OSError:
        check_absent(target)
        raise
    held = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(held)
    os.close(held)


def check_absent(target: Path) -> None:
    if os.path.lexists(target):
        raise Failed("folder_exists", path=str(target))


def inode(path: Path) -> int:
    """0 if there is none. Does not change when the folder is renamed."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    return status.st_ino if stat.S_ISDIR(status.st_mode) else 0


def discard_if_empty(part: Path) -> None:
    """A repository that does not exist leaves nothing behind."""
    if not bytes_in(part):
        discard(part)


def discard(part: Path) -> None:
    shutil.rmtree(part, ignore_errors=True)
