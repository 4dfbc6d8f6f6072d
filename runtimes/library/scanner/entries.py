"""What a library holds: an entry for each model, however many files it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from common.problems import Problem
from runtimes.frameworks.candidates import Candidate, Kind

# Of files that are not all there yet, or not whole
INCOMPLETE = frozenset(
    {
        *("file_missing", "gguf_truncated", "lfs_pointer"),
        *("no_weights", "weights_truncated"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A candidate, and what its files say of it. "" and 0: not known. config: to start
    with. memory_mib: of one replica with it, without GPUs, gpu_memory_mib: on one GPU;
    None: cannot be told."""

    candidate: Candidate
    config: Mapping[str, object]
    kind: Kind = Kind.MODEL
    architecture: str = ""
    quantisation: str = ""
    context: int = 0
    parameters: int = 0
    memory_mib: int | None = None
    gpu_memory_mib: int | None = None
    problem: Problem | None = None

    @property
    def path(self) -> str:
        return self.candidate.path

    @property
    def is_incomplete(self) -> bool:
        return self.problem is not None and self.problem.code in INCOMPLETE

    @property
    def addable(self) -> bool:
        return self.kind == Kind.MODEL and self.problem is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """troubles: folders and links that were left out, and how many more there are."""

    entries: tuple[Entry, ...]
    troubles: tuple[Problem, ...]
    more_troubles: int
    seconds: float
