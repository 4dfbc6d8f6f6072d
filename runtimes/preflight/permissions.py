"""Whether the user of an engine can read a file, by its mode bits and those of its
folders. Access control lists are ignored. Pure except for stat()."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from runtimes.frameworks.paths import responding

READ, ENTER = 0o4, 0o1


def unreadable(
    paths: Iterable[Path], roots: Sequence[Path], user: tuple[int, int]
) -> Path | None:
    """The first file, or folder up to its model folder, that user (uid, gid) cannot
    read. Engines see nothing above the model folders."""
    for path in paths:
        real = path.resolve()
        for folder in reversed(_folders(real, roots)):
            if not _may(ENTER, folder, user):
                return folder
        if not _may(READ, real, user):
            return real
    return None


def _folders(real: Path, roots: Sequence[Path]) -> list[Path]:
    """From the folder of the file up to its model folder."""
    tops = {root.resolve() for root in responding(roots)}
    found = []
    for folder in real.parents:
        found.append(folder)
        if folder in tops:
            break
    return found


def _may(what: int, path: Path, user: tuple[int, int]) -> bool:
    try:
        return granted(what, path.stat(), *user)
    except OSError:  # deleted meanwhile
        return False


def granted(what: int, about: os.stat_result, uid: int, gid: int) -> bool:
    """Root in a container is subject to the mode bits: it has no capabilities."""
    mode = stat.S_IMODE(about.st_mode)
    if about.st_uid == uid:
        return bool(mode >> 6 & what)
    if about.st_gid == gid:
        return bool(mode >> 3 & what)
    return bool(mode & what)
