"""Finds text in large binary files, and remembers the result until a file changes."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

CHUNK = 2**20


def contains(file: Path, text: bytes) -> bool:
    """False for a file that cannot be read."""
    try:
        stat = file.stat()
        return _search(file, text, stat.st_mtime_ns, stat.st_size)
    except OSError:
        return False


@lru_cache(maxsize=512)
def _search(file: Path, text: bytes, *_version: int) -> bool:
    """In chunks: libraries with code for GPUs are large, and what is searched for is
    near their beginning, as a rule."""
    overlap = len(text) - 1
    with file.open("rb", buffering=0) as opened:
        while len(chunk := opened.read(CHUNK)) > overlap:
            if text in chunk:
                return True
            opened.seek(-overlap, os.SEEK_CUR)
    return False
