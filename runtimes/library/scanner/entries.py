"""Entries of the library: one for each model, however many files it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from common.enums import ModelKind
from common.problems import Problem
from runtimes.frameworks.candidates import Candidate, Kind

# Problems of models whose files are not all there, or not complete
INCOMPLETE = frozenset(
    {
        *("file_missing", "gguf_truncated", "lfs_pointer"),
        *("no_weights", "weights_truncated"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A candidate with what its files contain. "" and 0: unknown. config: to start
    with. memory_mib: of one replica with this config, without GPUs, gpu_memory_mib: on
    one GPU; None: no estimate is possible. model_kind: None: not known."""

    candidate: Candidate
    config: Mapping[str, object]
    kind: Kind = Kind.MODEL
    model_kind: ModelKind | None = None
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
    """problems: folders and links that were left out, and how many more there are."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    more_problems: int
    seconds: float
