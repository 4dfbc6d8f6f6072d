"""Lists the models below the model folders: by their headers, nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

from common.problems import Problem, shorten
from runtimes.frameworks.base import Config, Estimate, Framework
from runtimes.frameworks.candidates import Candidate, Kind, Version
from runtimes.library.scanner.entries import Entry, Scan
from runtimes.library.scanner.walk import Limits, Walk

Frameworks = Mapping[str, Framework]
Key = tuple[str, str, Version]

# A disk can look for several files at once.
AT_ONCE = 4
PROBLEMS_SHOWN = 50
ARCHITECTURE_SHOWN = 60


def scan(
    roots: Sequence[Path],
    frameworks: Frameworks,
    known: Iterable[Entry] = (),
    limits: Limits | None = None,
) -> Scan:
    """known: of the scan before; what has not changed since is not read again, so that
    a scan that ran out of time goes on where the one before ended."""
    suffixes = {suffix for each in frameworks.values() for suffix in each.file_suffixes}
    walk = Walk(roots=roots, suffixes=tuple(suffixes), limits=limits or Limits())
    entries = {_key(entry.candidate): entry for entry in known}
    listed = [*_candidates(walk, frameworks)]
    new = [candidate for candidate in listed if _key(candidate) not in entries]
    entries |= read_all(new, walk, frameworks)
    found = [entries[_key(each)] for each in listed if _key(each) in entries]
    return Scan(
        entries=tuple(sorted(found, key=lambda entry: entry.path)),
        problems=tuple(walk.problems[:PROBLEMS_SHOWN]),
        more_problems=max(0, len(walk.problems) - PROBLEMS_SHOWN),
        seconds=monotonic() - walk.started_at,
    )


def _candidates(walk: Walk, frameworks: Frameworks) -> Iterator[Candidate]:
    for folder in walk.folders():
        for framework in frameworks.values():
            yield from framework.candidates(folder)


def read_all(
    listed: Sequence[Candidate], walk: Walk, frameworks: Frameworks
) -> dict[Key, Entry]:
    """Those that there is time for."""

    def in_time(candidate: Candidate) -> Entry | None:
        late = walk.is_late()
        return None if late else read(candidate, frameworks, walk.roots)

    entries: dict[Key, Entry] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for candidate, entry in zip(listed, pool.map(in_time, listed), strict=True):
            if entry:
                entries[_key(candidate)] = entry
            else:
                walk.cut(candidate.path)
    return entries


def read(candidate: Candidate, frameworks: Frameworks, roots: Sequence[Path]) -> Entry:
    framework, least = frameworks[candidate.framework], candidate.config
    if problems := framework.check(least, model_roots=roots):
        return Entry(candidate=candidate, config=least, problem=problems[0])
    found = framework.contents(least)
    if isinstance(found, Problem):
        return _not_loadable(candidate, found, framework.kind_of_file(found))
    config = {
        **least,
        **_context(framework, found.context),
        **framework.kind_settings(found.kind),
    }
    memory = framework.memory(config, 0)
    return Entry(
        candidate=candidate,
        config=config,
        model_kind=found.kind,
        architecture=shorten(", ".join(found.architectures), ARCHITECTURE_SHOWN),
        quantisation=found.quantisation,
        context=found.context,
        parameters=found.parameters,
        memory_mib=_host_mib(memory),
        gpu_memory_mib=_gpu_mib(framework.memory(config, 1)),
        problem=_fatal(framework, memory),
    )


def _context(framework: Framework, longest: int) -> Config:
    """Most models can have more; few machines have the memory."""
    usual = framework.usual_context
    return {framework.context_key: min(longest or usual, usual)}


def _key(candidate: Candidate) -> Key:
    return candidate.framework, candidate.path, candidate.version


def _not_loadable(candidate: Candidate, problem: Problem, kind: Kind) -> Entry:
    if kind == Kind.MODEL:
        return Entry(candidate=candidate, config=candidate.config, problem=problem)
    return Entry(candidate=candidate, config=candidate.config, kind=kind)


def _host_mib(memory: Estimate | Problem) -> int | None:
    return None if isinstance(memory, Problem) else memory.host.total_mib


def _gpu_mib(memory: Estimate | Problem) -> int | None:
    return None if isinstance(memory, Problem) else memory.gpu.total_mib


def _fatal(framework: Framework, memory: Estimate | Problem) -> Problem | None:
    if isinstance(memory, Problem) and framework.is_fatal(memory):
        return memory
    return None
