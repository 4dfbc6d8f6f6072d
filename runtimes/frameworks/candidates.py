"""What may be a model among the files of a folder, judged by their names alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

# Name, size, time and inode of each file: what was read of them holds until it changes.
Version = tuple[tuple[str, int, int, int], ...]

# A snapshot in the cache of Hugging Face: models--org--name/snapshots/<commit>
SNAPSHOTS, HUB = "snapshots", "models--"
# File names that say nothing about the model
GENERIC = re.compile(r"(ggml-)?model([-._]([a-z]{0,3}\d\w*))?", re.IGNORECASE)


class Kind(StrEnum):
    """Only models can be served; projectors and adapters belong to one."""

    MODEL = "model"
    PROJECTOR = "projector"
    ADAPTER = "adapter"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    path: str
    files: Mapping[str, os.stat_result]

    def version(self, names: Iterable[str]) -> Version:
        stats = [(name, self.files[name]) for name in sorted(names)]
        return tuple((n, s.st_size, s.st_mtime_ns, s.st_ino) for n, s in stats)

    @property
    def title(self) -> str:
        """ModelScope writes "." as "___"."""
        place = Path(self.path)
        if place.parent.name == SNAPSHOTS and place.parent.parent.name.startswith(HUB):
            return place.parent.parent.name.split("--")[-1]
        return place.name.replace("___", ".")

    def file_title(self, stem: str) -> str:
        return f"{self.title}-{stem}" if GENERIC.fullmatch(stem) else stem


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """config: the least that serves it; size: bytes of all its files."""

    path: str
    framework: str
    title: str
    config: Mapping[str, object]
    version: Version

    @property
    def size(self) -> int:
        return sum(size for _, size, _, _ in self.version)
