"""Lists the models below the model folders: by their headers, nothing is loaded."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic

from runtimes.frameworks.base import Config, Estimate, Framework, Problem
from runtimes.frameworks.fields import shown
from runtimes.library.candidates import (
    FOLDER_FRAMEWORK,
    GGUF_FRAMEWORK,
    candidates,
)
from runtimes.library.entries import Candidate, Entry, Kind, Scan, Version
from runtimes.library.walk import Limits, Walk

Frameworks = Mapping[str, Framework]
Key = tuple[str, str, Version]

TROUBLES_SHOWN = 50
ARCHITECTURE_SHOWN = 60
# Tokens of one request to start with: most models have more, few machines have room
CONTEXTS = {GGUF_FRAMEWORK: ("n_ctx", 2048), FOLDER_FRAMEWORK: ("max_model_len", 4096)}
NOT_A_MODEL = "gguf_not_a_model"
KINDS = {"clip": Kind.PROJECTOR, "mmproj": Kind.PROJECTOR, "adapter": Kind.ADAPTER}


def scan(
    roots: Sequence[Path],
    frameworks: Frameworks,
    known: Iterable[Entry] = (),
    limits: Limits | None = None,
) -> Scan:
    """known: of the scan before; what has not changed since is not read again, so that
    a scan that ran out of time goes on where the one before ended."""
    walk = Walk(roots=roots, limits=limits or Limits())
    before = {_key(entry.candidate): entry for entry in known}
    found = [
        before.get(_key(candidate)) or read(candidate, frameworks, roots)
        for candidate in _candidates(walk, frameworks, before)
    ]
    return Scan(
        entries=tuple(sorted(found, key=lambda entry: entry.path)),
        troubles=tuple(walk.troubles[:TROUBLES_SHOWN]),
        more_troubles=max(0, len(walk.troubles) - TROUBLES_SHOWN),
        seconds=monotonic() - walk.began,
    )


def read(candidate: Candidate, frameworks: Frameworks, roots: Sequence[Path]) -> Entry:
    framework, least = frameworks[candidate.framework], candidate.config
    if problems := framework.check(least, model_roots=roots):
        return Entry(candidate=candidate, config=least, problem=problems[0])
    found = framework.contents(least)
    if isinstance(found, Problem):
        return _no_model(candidate, found)
    config = {**least, **_context(candidate.framework, found.context)}
    memory = framework.memory(config, 0)
    return Entry(
        candidate=candidate,
        config=config,
        architecture=shown(", ".join(found.architectures), ARCHITECTURE_SHOWN),
        quantisation=found.quantisation,
        context=found.context,
        parameters=found.parameters,
        memory_mib=_host_mib(memory),
        gpu_memory_mib=_gpu_mib(framework.memory(config, 1)),
        problem=_trouble(memory),
    )


def _context(framework: str, longest: int) -> Config:
    key, usual = CONTEXTS[framework]
    return {key: min(longest or usual, usual)}


def _candidates(
    walk: Walk, frameworks: Frameworks, known: Container[Key]
) -> Iterator[Candidate]:
    for folder in walk.folders():
        for candidate in candidates(folder):
            if candidate.framework not in frameworks:
                continue
            if walk.is_late() and _key(candidate) not in known:
                walk.leave_out("scan_cut", folder.path, entries=walk.entries)
                return
            yield candidate


def _key(candidate: Candidate) -> Key:
    return candidate.framework, candidate.path, candidate.version


def _no_model(candidate: Candidate, problem: Problem) -> Entry:
    """Beside a model belongs what helps it; all else is a model that is broken."""
    if problem.code != NOT_A_MODEL:
        return Entry(candidate=candidate, config=candidate.config, problem=problem)
    kind = KINDS.get(str(problem.params.get("kind")), Kind.OTHER)
    return Entry(candidate=candidate, config=candidate.config, kind=kind)


def _host_mib(memory: Estimate | Problem) -> int | None:
    return None if isinstance(memory, Problem) else memory.host.total_mib


def _gpu_mib(memory: Estimate | Problem) -> int | None:
    return None if isinstance(memory, Problem) else memory.gpu.total_mib


def _trouble(memory: Estimate | Problem) -> Problem | None:
    """What an engine could not do without either; not that nothing can be told."""
    if isinstance(memory, Problem) and memory.code.startswith("gguf_"):
        return memory
    return None
