"""The folder of a download: hidden until it is whole, and then renamed. Pure.

Under its final name nobody ever sees half a model.
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
    """Made if missing. The descriptor that is returned keeps everybody else out of it,
    until it is closed or this process ends. Raises Failed."""
    part.mkdir(mode=0o755, exist_ok=True)
    held = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise Failed("download_is_held", passing=True) from None
    return held


def bytes_in(folder: Path) -> int:
    """Of regular files; those that vanish meanwhile do not count."""
    total = 0
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != OWN_FOLDER]
        for name in names:
            try:
                seen = Path(base, name).lstat()
            except OSError:
                continue
            total += seen.st_size if stat.S_ISREG(seen.st_mode) else 0
    return total


def check_space(part: Path, needed: int, reserve: int) -> None:
    """needed: bytes of all files, what is here already among them."""
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
    part: Path, files: Sequence[RemoteFile], told: Callable[[int], None]
) -> list[RemoteFile]:
    """Those whose content is not what the hub says; told: bytes that were read. What is
    right is on the disk afterwards, whatever happens to the machine."""
    wrong, read = [], 0
    for file in files:
        if not _is_right(part / file.path, file, lambda size: told(read + size)):  # noqa: B023 -- called at once
            wrong.append(file)
        read += file.size
    return wrong


def _is_right(path: Path, file: RemoteFile, told: Callable[[int], None]) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != file.size:
        return False
    if file.sha256:
        digest, expected = hashlib.sha256(), file.sha256
    else:
        # Git's own name for the content, no protection from anybody.
        digest, expected = hashlib.sha1(usedforsecurity=False), file.git_sha1
        digest.update(f"blob {file.size}\0".encode())
    read = 0
    with path.open("rb") as opened:
        while chunk := opened.read(READ_BYTES):
            digest.update(chunk)
            read += len(chunk)
            told(read)
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
    """Raises Failed if somebody else has made the target."""
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
    """Stays the same when the folder is renamed; 0 if there is none."""
    try:
        seen = path.lstat()
    except OSError:
        return 0
    return seen.st_ino if stat.S_ISDIR(seen.st_mode) else 0


def discard_if_empty(part: Path) -> None:
    """A repository that does not exist leaves nothing behind."""
    if not bytes_in(part):
        discard(part)


def discard(part: Path) -> None:
    shutil.rmtree(part, ignore_errors=True)
