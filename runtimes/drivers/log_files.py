"""Follows the log of a process, whose file is renamed and replaced as it grows.

The file being read is held open: so it keeps what it holds, and no new one gets its
number. Of two or more rotations between two reads only the newest file is left.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from runtimes.drivers.base import Chunk

NEWEST, BEFORE = "engine.log", "engine.log.1"


class LogFiles:
    """Begins max_bytes before the end of what there is."""

    def __init__(self, run_dir: Path, max_bytes: int) -> None:
        self.run_dir = run_dir
        self.max_bytes = max_bytes
        self.file: FileIO | None = None
        self.skipped = False

    def read(self, max_bytes: int) -> Chunk:
        if self.file is None:
            self._begin()
        data = self._read(max_bytes)
        if not data and (newer := self._newer()):
            data = self._read(max_bytes)  # written before the file was renamed
            if data:
                newer.close()
            else:
                self._turn_to(newer)
                data = self._read(max_bytes)
        skipped = self.skipped and bool(data)
        self.skipped = self.skipped and not data
        return Chunk(data=data, skipped=skipped)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None

    def _read(self, max_bytes: int) -> bytes:
        if self.file is None:
            return b""
        if os.fstat(self.file.fileno()).st_size < self.file.tell():
            self.file.seek(0)  # somebody has emptied it
            self.skipped = True
        return self.file.read(max_bytes) or b""

    def _begin(self) -> None:
        """The newest is opened first: the other is then what came before it, or itself
        once more."""
        newest, before = self._open(NEWEST), self._open(BEFORE)
        if newest is None or (before and _same(newest, before)):
            _close(newest)
            newest = None
        of_newest = _size(newest) if newest else 0
        if before and of_newest < self.max_bytes:
            _close(newest)
            self.file, wanted = before, self.max_bytes - of_newest
        else:
            _close(before)
            self.file, wanted = newest, self.max_bytes
            self.skipped = before is not None
        if self.file and _size(self.file) > wanted:
            self.file.seek(-wanted, os.SEEK_END)
            self.skipped = True

    def _newer(self) -> FileIO | None:
        """What comes after the file, once that is complete."""
        if self.file is None or (newest := self._open(NEWEST)) is None:
            return None
        if _same(newest, self.file):
            newest.close()
            return None
        before = self._open(BEFORE)
        if before is None or _same(before, self.file):
            _close(before)
            return newest
        newest.close()
        self.skipped = True
        return before

    def _turn_to(self, newer: FileIO) -> None:
        self.close()
        self.file = newer

    def _open(self, name: str) -> FileIO | None:
        try:
            return (self.run_dir / name).open("rb", buffering=0)
        except FileNotFoundError:
            return None


def _same(one: FileIO, other: FileIO) -> bool:
    return os.path.sameopenfile(one.fileno(), other.fileno())


def _size(file: FileIO) -> int:
    return os.fstat(file.fileno()).st_size


def _close(file: FileIO | None) -> None:
    if file is not None:
        file.close()
