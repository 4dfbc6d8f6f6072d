"""Folders below the model folders, with the files that may be models.

Links to folders are not followed: where they lead is either a model folder's own, or
outside of them. Links to files count where their files are inside.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from common.problems import Problem
from runtimes.frameworks.candidates import Folder
from runtimes.frameworks.mounts import mounts
from runtimes.frameworks.paths import path_problem, responding

FIELD = "MODEL_ROOTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one scan. Whatever exceeds them is left out and reported in problems."""

    entries: int = 200_000
    depth: int = 16
    seconds: float = 30


@dataclass(slots=True)
class Walk:
    """Folders with their files of these suffixes. problems: what was left out."""

    roots: Sequence[Path]
    suffixes: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    problems: list[Problem] = field(default_factory=list)
    entries: int = 0
    seen: set[tuple[int, int]] = field(default_factory=set)
    started_at: float = field(default_factory=time.monotonic)
    real_roots: list[Path] = field(default_factory=list)

    def folders(self) -> Iterator[Folder]:
        ahead = [(str(root), 0) for root in reversed(self.roots)]
        while ahead:
            path, depth = ahead.pop()
            if self.is_late() or self.entries >= self.limits.entries:
                self.cut(path)
                return
            found = self._list(path, is_root=depth == 0)
            yield self._folder(path, found)
            below = [e.path for e in found if self._is_folder(e)]
            if below and depth >= self.limits.depth:
                self.leave_out("folders_too_deep", path, max=self.limits.depth)
            else:
                ahead += [(each, depth + 1) for each in reversed(below)]

    def is_late(self) -> bool:
        return time.monotonic() - self.started_at > self.limits.seconds

    def cut(self, path: str) -> None:
        """What comes from there on is left out."""
        if not any(problem.code == "scan_cut" for problem in self.problems):
            self.leave_out("scan_cut", path, entries=self.entries)

    def _list(self, path: str, *, is_root: bool) -> list[os.DirEntry[str]]:
        if self._is_hung(path):
            return []
        try:
            about = Path(path).stat()
            if (about.st_dev, about.st_ino) in self.seen:
                return []  # a model folder inside another, or mounted twice
            self.seen.add((about.st_dev, about.st_ino))
            with os.scandir(path) as listing:
                left = max(0, self.limits.entries - self.entries)
                found = [*islice(listing, left)]
                if next(listing, None) is not None:
                    self.cut(path)
        except FileNotFoundError:
            if is_root:
                self.leave_out("folder_missing", path)
            return []
        except (OSError, ValueError):
            self.leave_out("folder_unreadable", path)
            return []
        self.entries += len(found)
        shown = [entry for entry in found if not entry.name.startswith(".")]
        return sorted(shown, key=lambda entry: entry.name)

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            if entry.is_symlink() and self._is_hung(entry.path):
                return False
            if entry.is_symlink() and entry.is_dir() and not self._inside(entry.path):
                self.leave_out("link_outside", entry.path)
            return entry.is_dir(follow_symlinks=False)
        except OSError:
            return False

    def _folder(self, path: str, found: Sequence[os.DirEntry[str]]) -> Folder:
        named = [e for e in found if e.name.lower().endswith(self.suffixes)]
        files = {entry.name: self._file(entry) for entry in named}
        known = {name: stats for name, stats in files.items() if stats}
        return Folder(path=path, files=known)

    def _file(self, entry: os.DirEntry[str]) -> os.stat_result | None:
        if entry.is_symlink() and mounts.hung(entry.path):
            return None  # reported among the folders
        try:
            about = entry.stat()
            if not stat.S_ISREG(about.st_mode):
                return None
            if entry.is_symlink() and not self._inside(entry.path):
                self.leave_out("link_outside", entry.path)
                return None
        except FileNotFoundError:
            self.leave_out("file_missing", entry.path)
        except OSError:
            self.leave_out("file_unreadable", entry.path)
        else:
            return about
        return None

    def _is_hung(self, path: str) -> bool:
        if mount := mounts.hung(path):
            self.leave_out("mount_not_responding", path, mount=mount)
        return bool(mount)

    def _inside(self, path: str) -> bool:
        if not self.real_roots:
            self.real_roots = [*filter(None, map(_real, responding(self.roots)))]
        real = _real(Path(path))
        return real is not None and any(map(real.is_relative_to, self.real_roots))

    def leave_out(self, code: str, path: str, **params: object) -> None:
        self.problems.append(path_problem(code, FIELD, path, **params))


def _real(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return None
